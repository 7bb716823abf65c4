//! A folder with a `tasks.toml` and what its commands need.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use uuid::Uuid;

use super::{Program, TestDatabase, eventually, lives};

/// Deleted with everything in it.
pub(crate) struct Scripts(PathBuf);

impl Scripts {
    /// With these tasks.
    pub(crate) fn new(tasks: &str) -> Self {
        let name = format!("scripts-{}", Uuid::new_v4().simple());
        let scripts = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(&scripts.0).unwrap();
        fs::write(scripts.path("tasks.toml"), tasks).unwrap();
        scripts
    }

    /// And this program.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        self.add(name, text);
        self
    }

    /// Adds a program, whole from its first moment.
    pub(crate) fn add(&self, name: &str, text: &str) {
        let beside = self.path(&format!("{name}.new"));
        fs::write(&beside, text).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A worker that has these tasks, ready.
    pub(crate) async fn worker(&self, database: &TestDatabase, arguments: &[&str]) -> Program {
        let tasks = self.tasks();
        Program::worker(database, &[&["--tasks", &tasks], arguments].concat()).await
    }

    /// The same, started with so many files that it may have open, and more that it may allow itself.
    pub(crate) async fn worker_with_files(&self, database: &TestDatabase, files: u32) -> Program {
        let script = format!("ulimit -S -n {files} && exec \"$0\" \"$@\"");
        let program = Program::spawn(
            Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_ringback")])
                .args(["worker", "--tasks", &self.tasks()])
                .env("DATABASE_URL", &database.url),
        );
        program.printed("working").await;
        program
    }

    /// A gateway that knows them, ready.
    pub(crate) async fn gateway(&self, database: &TestDatabase) -> Program {
        let arguments = ["--tasks", &self.tasks(), "--max-frame", "1000000"];
        Program::serve(database, &arguments).await
    }

    /// Waits until a program has written a file with whole lines, and gives them.
    pub(crate) async fn written(&self, name: &str, lines: usize) -> Vec<String> {
        let mut found = Vec::new();
        eventually(&format!("{lines} lines should be in {name}"), async || {
            let text = fs::read_to_string(self.path(name)).unwrap_or_default();
            found = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .map(|line| line.trim().to_owned())
                .collect();
            found.len() >= lines
        })
        .await;
        found
    }

    fn tasks(&self) -> String {
        self.path("tasks.toml").to_str().unwrap().to_owned()
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until none of these processes is there.
pub(crate) async fn gone(pids: &[String]) {
    assert!(!pids.is_empty());
    for pid in pids {
        eventually(&format!("the process {pid} should be gone"), async || {
            !lives(pid)
        })
        .await;
    }
}
