//! A folder for a private Postgres, and the program on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringback::postgres::private;
use uuid::Uuid;

/// A data folder of a test, deleted with everything in it.
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new() -> Self {
        let name = format!("data-{}", Uuid::new_v4().simple());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The program, about to run a verb without any other database.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
        command
            .arg(verb)
            .arg("--data-dir")
            .arg(&self.0)
            // Empty is none, and a file .env of the developer's does not fill it.
            .env("DATABASE_URL", "");
        command
    }

    /// What `url` prints.
    pub(crate) fn url(&self) -> String {
        let output = self.command("url").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // A failed test may leave users of it behind for a moment; the folder is a throwaway in any case.
        let _ = private::discard(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
