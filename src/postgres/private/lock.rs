//! File locks, one open file each, so that threads of one process exclude each other like processes do.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::shutdown::Stop;

/// When somebody waits this long, they are told for whom.
const WORTH_A_WORD: Duration = Duration::from_secs(2);

/// The shared or the exclusive way to take a lock.
type Take = fn(&File) -> Result<(), TryLockError>;

/// A held lock, given back on drop.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits until nobody else holds the file in any way.
    pub(super) fn exclusive(path: &Path, limit: Duration, stop: &Stop) -> Result<Self> {
        Self::wait(path, File::try_lock, limit, stop)
    }

    /// Waits until nobody holds the file exclusively.
    pub(super) fn shared(path: &Path, limit: Duration, stop: &Stop) -> Result<Self> {
        Self::wait(path, File::try_lock_shared, limit, stop)
    }

    /// Takes the file exclusively if nobody holds it in any way.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        let taken = attempt(path, &file, File::try_lock)?;
        Ok(taken.then_some(Self(file)))
    }

    fn wait(path: &Path, take: Take, limit: Duration, stop: &Stop) -> Result<Self> {
        let file = open(path)?;
        let began = Instant::now();
        let mut told = false;
        while !attempt(path, &file, take)? {
            if stop.is_cancelled() {
                bail!("stopped while another process held {}", path.display());
            }
            if began.elapsed() > limit {
                bail!(
                    "another process has held {} for {} s; end it and try again",
                    path.display(),
                    limit.as_secs()
                );
            }
            if !told && began.elapsed() > WORTH_A_WORD {
                told = true;
                tracing::info!(
                    "waiting for another process, which holds {}",
                    path.display()
                );
            }
            sleep(Duration::from_millis(20));
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a program that another thread is just starting has, until its exec, a copy of the open file, and the lock with it.
        if let Err(error) = self.0.unlock() {
            tracing::warn!("could not give a file lock back: {error}");
        }
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Whoever may open it may also hold it against us.
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open the lock file {}", path.display()))
}

/// Takes a lock that is free; says whether it was.
fn attempt(path: &Path, file: &File, take: Take) -> Result<bool> {
    match take(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
