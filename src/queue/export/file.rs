//! Files that are whole or not there: written under another name, made safe, and only then given their own, which no
//! other file has. So nothing that is there is ever written over, whoever else writes to the folder.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
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

/// Makes sure that files can be written to a folder, and given their names.
pub(super) async fn probe(folder: &Path) -> Result<(), FolderError> {
    let part = || folder.join(format!(".{}.part", Uuid::new_v4().simple()));
    let (path, other) = (part(), Part(part()));
    at(&path, move |path| {
        let made = Part(path.to_owned());
        create(path)?.write_all(b"\n")?;
        fs::hard_link(&made.0, &other.0).map_err(without_links)?;
        fs::remove_file(&other.0)?;
        fs::remove_file(&made.0)
    })
    .await
}

/// In a folder in which a file could just be made, little else keeps it from having another name.
fn without_links(cause: io::Error) -> io::Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => cause,
        kind => {
            let text = format!(
                "a file cannot have a second name there ({cause}), which keeps it from being written over another: \
                 choose a folder of a file system with hard links"
            );
            io::Error::new(kind, text)
        }
    }
}

/// Removes what whoever was killed had of a file.
pub(super) async fn clear(folder: &Path, name: &str) -> Result<(), FolderError> {
    let begins = format!(".{name}.");
    at(folder, move |folder| {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&begins) && name.ends_with(".part") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    })
    .await
}

/// Whether there is a file of this name.
pub(super) async fn exists(folder: &Path, name: &str) -> Result<bool, FolderError> {
    at(&folder.join(name), Path::try_exists).await
}

/// By what a file is known: its number on its disk, and how long it is. It keeps both when it gets another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) inode: i64,
    pub(super) bytes: i64,
}

impl Mark {
    fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino().cast_signed(),
            bytes: file.len().cast_signed(),
        }
    }
}

/// Whether the file of this name is the one that was marked so; then its name is safe.
pub(super) async fn is_there(folder: &Path, name: &str, mark: Mark) -> Result<bool, FolderError> {
    let found = at(&folder.join(name), |path| {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(|file| Some(Mark::of(&file))),
        }
    })
    .await?;
    if found != Some(mark) {
        return Ok(false);
    }
    at(folder, |folder| File::open(folder)?.sync_all()).await?;
    Ok(true)
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) output: Output,
    folder: PathBuf,
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
    /// Begins a file that is to have this name, or one like it.
    pub(super) async fn make(folder: &Path, name: &str) -> Result<Self, FolderError> {
        let part = folder.join(format!(".{name}.{}.part", Uuid::new_v4().simple()));
        let file = at(&part, create).await?;
        Ok(Self {
            output: Output::new(&part, Target::File(file)),
            folder: folder.to_owned(),
            part: Part(part),
        })
    }

    /// Waits until all of it is safe; answers which it is.
    pub(super) async fn sync(&mut self) -> Result<Mark, FolderError> {
        self.output.sync().await?;
        at(&self.part.0, |part| {
            fs::symlink_metadata(part).map(|file| Mark::of(&file))
        })
        .await
    }

    /// Gives it a name, instead of the one that it has; answers whether it has it now, or another file does.
    pub(super) async fn take(&self, name: &str) -> Result<bool, FolderError> {
        let (part, folder) = (self.part.0.clone(), self.folder.clone());
        at(&self.folder.join(name), move |path| {
            match fs::hard_link(&part, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // On a network, what was done may be asked for again.
                    let (ours, there) = (fs::symlink_metadata(&part)?, fs::symlink_metadata(path)?);
                    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
                        return Ok(false);
                    }
                }
                linked => linked?,
            }
            fs::remove_file(&part)?;
            File::open(folder)?.sync_all()?;
            Ok(true)
        })
        .await
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    async fn whole(folder: &Path, text: &[u8]) -> (Place, Mark) {
        let mut place = Place::make(folder, "a.csv").await.unwrap();
        place.output.write(text).await.unwrap();
        place.output.flush().await.unwrap();
        let mark = place.sync().await.unwrap();
        (place, mark)
    }

    #[tokio::test]
    async fn a_file_takes_no_name_that_another_has_and_is_known_under_its_own() {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        let (first, first_mark) = whole(folder, b"first").await;
        let (second, second_mark) = whole(folder, b"other").await;
        assert!(first.take("a.csv").await.unwrap());
        assert!(!second.take("a.csv").await.unwrap());
        assert_eq!(fs::read(folder.join("a.csv")).unwrap(), b"first");
        assert!(is_there(folder, "a.csv", first_mark).await.unwrap());
        assert!(!is_there(folder, "a.csv", second_mark).await.unwrap());
        assert!(!is_there(folder, "b.csv", second_mark).await.unwrap());
        // It has the name already, and whoever gave it was not told so.
        fs::hard_link(&second.part.0, folder.join("b.csv")).unwrap();
        assert!(second.take("b.csv").await.unwrap());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_folder_is_probed_and_left_as_it_was() {
        let folder = TempDir::new().unwrap();
        probe(folder.path()).await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let refused = without_links(io::Error::from_raw_os_error(1)).to_string();
        assert!(refused.contains("hard links"), "{refused}");
        let full = without_links(io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
