//! A small disk, which a test can fill.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A disk in memory, gone with the folder that it is at when this is dropped.
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// One of so many megabytes; none, and a word about it, where this system does not let us have one.
    #[expect(
        clippy::print_stderr,
        reason = "that something was not tested should be seen"
    )]
    pub(crate) fn at(folder: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            let folder = folder.to_owned();
            return Some(Self { folder });
        }
        eprintln!("left out: no disk can be mounted here, which takes root");
        let _ = fs::remove_dir(folder);
        None
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("the disk should take what fits: {error}"),
            }
        }
    }

    /// Leaves no room on it while something is done, also where a server gives some back.
    pub(crate) async fn full<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        let fill_again = async {
            loop {
                self.fill();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = meanwhile => done,
            () = fill_again => unreachable!("it goes on for ever"),
        }
    }

    /// Takes away what has filled it.
    pub(crate) fn make_room(&self) {
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that was killed may not be quite gone.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.folder)
            .status();
        let _ = fs::remove_dir(&self.folder);
    }
}
