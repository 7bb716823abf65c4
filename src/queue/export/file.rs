//! Files that are whole or not there: written under another name, made safe, and only then given their own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// So much is gathered before it is written,
const FULL: usize = 256 * 1_024;

/// and so much before it is made safe: at the end, little is left to wait for.
const UNSAFE: usize = 64 * 1_024 * 1_024;

/// What is wrong with a folder, or a file in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct FolderError {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub cause: io::Error,
}

/// Makes sure that files can be written to a folder.
pub(super) async fn probe(folder: &Path) -> Result<(), FolderError> {
    let path = folder.join(format!(".{}.part", Uuid::new_v4().simple()));
    at(&path, |path| {
        let made = create(path)?.write_all(b"\n");
        made.and(fs::remove_file(path))
    })
    .await
}

/// Whether there is a file of this name.
pub(super) async fn exists(folder: &Path, name: &str) -> Result<bool, FolderError> {
    at(&folder.join(name), Path::try_exists).await
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) output: Output,
    folder: PathBuf,
    path: PathBuf,
    part: Part,
}

/// The same under its other name, which goes when it is given up.
#[derive(Debug)]
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Where it cannot, whoever writes it next does.
        let _ = fs::remove_file(&self.0);
    }
}

impl Place {
    /// Begins a file; what whoever was killed had of it is removed.
    pub(super) async fn make(folder: &Path, name: &str) -> Result<Self, FolderError> {
        let begins = format!(".{name}.");
        let left = begins.clone();
        at(folder, move |folder| {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with(&left) && name.ends_with(".part") {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await?;
        let part = folder.join(format!("{begins}{}.part", Uuid::new_v4().simple()));
        let file = at(&part, create).await?;
        Ok(Self {
            output: Output::new(&part, Target::File(file)),
            folder: folder.to_owned(),
            path: folder.join(name),
            part: Part(part),
        })
    }

    /// Waits until all of it is safe.
    pub(super) async fn sync(&mut self) -> Result<(), FolderError> {
        self.output.sync().await
    }

    /// Gives it its name.
    pub(super) async fn take(self) -> Result<(), FolderError> {
        let (part, path) = (self.part.0.clone(), self.path);
        at(&path, move |path| fs::rename(&part, path)).await?;
        at(&self.folder, |folder| File::open(folder)?.sync_all()).await
    }
}

/// Where rows go.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    target: Option<Target>,
    gathered: Vec<u8>,
    /// How much is written and not safe.
    unsafe_bytes: usize,
}

#[derive(Debug)]
pub(super) enum Target {
    File(File),
    Standard(io::Stdout),
}

impl Output {
    pub(super) fn new(path: &Path, target: Target) -> Self {
        Self {
            path: path.to_owned(),
            target: Some(target),
            gathered: Vec::new(),
            unsafe_bytes: 0,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= FULL {
            self.flush().await?;
        }
        if self.unsafe_bytes >= UNSAFE {
            self.sync().await?;
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), FolderError> {
        let gathered = std::mem::take(&mut self.gathered);
        self.unsafe_bytes += gathered.len();
        self.with(move |target| match target {
            Target::File(file) => file.write_all(&gathered),
            Target::Standard(out) => out.write_all(&gathered).and_then(|()| out.flush()),
        })
        .await
    }

    async fn sync(&mut self) -> Result<(), FolderError> {
        self.unsafe_bytes = 0;
        self.with(|target| match target {
            Target::File(file) => file.sync_all(),
            Target::Standard(_) => Ok(()),
        })
        .await
    }

    async fn with(
        &mut self,
        this: impl FnOnce(&mut Target) -> io::Result<()> + Send + 'static,
    ) -> Result<(), FolderError> {
        let Some(mut target) = self.target.take() else {
            // Given up in the middle of a write before this one.
            let cause = io::ErrorKind::Interrupted.into();
            let path = self.path.clone();
            return Err(FolderError { path, cause });
        };
        let target = at(&self.path, move |_| this(&mut target).map(|()| target)).await?;
        self.target = Some(target);
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    // What jobs work on is nobody else's.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// Does something with a path on a thread that may wait for it.
async fn at<T: Send + 'static>(
    path: &Path,
    this: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, FolderError> {
    let (path, here) = (path.to_owned(), path.to_owned());
    let done = tokio::task::spawn_blocking(move || this(&here)).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|cause| FolderError { path, cause })
}
