//! Where a private cluster lives, who runs it, and the locks that its users share.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::lock::Lock;
use super::user::User;
use crate::shutdown::Stop;

/// Where clusters go whose own folder is closed to the user that runs them.
const OPEN_TO_ALL: &str = "/var/lib/ringback";

/// What is in the folder: the cluster, clusters in the making (or what was left of them), and the locks.
const CLUSTER: &str = "cluster";
pub(super) const SIDE: &str = "making-";
const START_LOCK: &str = "start.lock";
const USE_LOCK: &str = "use.lock";

/// A folder for one cluster, and the user that runs it.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    user: User,
    /// What was asked for, where its user cannot enter it and `dir` serves instead.
    closed: Option<PathBuf>,
}

impl Place {
    /// Decides, the same way each time, where the cluster of `dir` lives and who runs it.
    pub(super) fn choose(dir: &Path) -> Result<Self> {
        let dir = resolve(dir)?;
        let ourselves = User::ourselves()?;
        if !ourselves.is_root() {
            let place = Self {
                dir,
                user: ourselves,
                closed: None,
            };
            place.refuse_strangers()?;
            return Ok(place);
        }

        let place = Self::of_root(dir)?;
        let beneath = place.dir.strip_prefix("/").unwrap_or(&place.dir);
        let mut instead = Self::of_root(resolve(&Path::new(OPEN_TO_ALL).join(beneath))?)?;
        // What was made there once stays there, also when the folder has become open since.
        if !instead.has_cluster() && place.user.can_enter(nearest(&place.dir))? {
            return Ok(place);
        }
        tracing::info!(
            "PostgreSQL runs as {}, who cannot enter {}: its files are in {}",
            place.user.name(),
            place.dir.display(),
            instead.dir.display()
        );
        instead.closed = Some(place.dir);
        Ok(instead)
    }

    /// Root serves a cluster as whoever owns it; a new one as the user for that.
    fn of_root(dir: PathBuf) -> Result<Self> {
        let mut user = User::for_root()?;
        let cluster = dir.join(CLUSTER);
        if cluster.exists() {
            let owner = User::owner_of(&cluster)?;
            if owner.uid() != user.uid() && !owner.is_root() {
                user = owner;
            }
        }
        Ok(Self {
            dir,
            user,
            closed: None,
        })
    }

    fn refuse_strangers(&self) -> Result<()> {
        if !self.has_cluster() {
            return Ok(());
        }
        let owner = User::owner_of(&self.cluster())?;
        if owner.uid() != self.user.uid() {
            bail!(
                "the database in {} belongs to {} and we are {}: run as root or as its owner, or remove that folder, or set DATABASE_URL",
                self.dir.display(),
                owner.name(),
                self.user.name()
            );
        }
        Ok(())
    }

    /// The folder that is there once a cluster was made.
    pub(super) fn cluster(&self) -> PathBuf {
        self.dir.join(CLUSTER)
    }

    /// Whether a cluster was made here.
    pub(super) fn has_cluster(&self) -> bool {
        self.cluster().exists()
    }

    /// Who runs the server.
    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// Makes the folder.
    pub(super) fn create(&self) -> Result<()> {
        let missing = self.dir.ancestors().take_while(|folder| !folder.exists());
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            match fs::create_dir(folder) {
                // Another process is as quick as we are.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => {
                    result.with_context(|| {
                        format!(
                            "cannot make {}: name another folder (--data-dir), or set DATABASE_URL",
                            folder.display()
                        )
                    })?;
                    if !self.user.is_us() {
                        // Whatever our umask is, the user that runs the server must get through.
                        fs::set_permissions(folder, Permissions::from_mode(0o755)).with_context(
                            || format!("cannot open {} to others", folder.display()),
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Deletes all that was made here, and the folders that are empty then.
    pub(super) fn clear(&self) -> Result<()> {
        let doing = || format!("cannot delete the database in {self}");
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Ok(());
        };
        for entry in entries {
            let path = entry.with_context(doing)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == CLUSTER || name.starts_with(SIDE) {
                fs::remove_dir_all(&path).with_context(doing)?;
            } else if [START_LOCK, USE_LOCK].contains(&name.as_ref()) {
                fs::remove_file(&path).with_context(doing)?;
            }
        }
        let mut emptied = self.dir.as_path();
        while fs::remove_dir(emptied).is_ok()
            && let Some(parent) = emptied.parent()
            && parent.starts_with(OPEN_TO_ALL)
        {
            emptied = parent;
        }
        Ok(())
    }

    /// Waits for the turn to make, start or stop the server.
    pub(super) fn take_turn(&self, limit: Duration, stop: &Stop) -> Result<Lock> {
        let path = self.dir.join(START_LOCK);
        let turn = Lock::exclusive(&path, limit, stop)?;
        // Also the cluster's owner must be able to take it, without us.
        self.user.give(&path)?;
        Ok(turn)
    }

    /// Says that the server is used.
    pub(super) fn take_seat(&self, limit: Duration, stop: &Stop) -> Result<Lock> {
        let path = self.dir.join(USE_LOCK);
        let seat = Lock::shared(&path, limit, stop)?;
        self.user.give(&path)?;
        Ok(seat)
    }

    /// Whether nobody uses the server; only true for as long as it is the asker's turn.
    pub(super) fn is_unused(&self) -> Result<bool> {
        Ok(Lock::try_exclusive(&self.dir.join(USE_LOCK))?.is_some())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dir.display())?;
        if let Some(closed) = &self.closed {
            write!(
                f,
                " (instead of {}, which {} cannot enter)",
                closed.display(),
                self.user.name()
            )?;
        }
        Ok(())
    }
}

/// The one absolute spelling of a folder that need not exist yet.
fn resolve(dir: &Path) -> Result<PathBuf> {
    let doing = || format!("cannot find out where {} is", dir.display());
    let dir = std::path::absolute(dir).with_context(doing)?;
    let there = nearest(&dir);
    if !there.is_dir() {
        return Err(no_folder(there));
    }
    let rest = dir.strip_prefix(there).with_context(doing)?;
    let resolved = there.canonicalize().with_context(doing)?;
    let mut whole = resolved;
    for part in rest.components() {
        match part {
            // What does not exist is no link, so its parent is what stands before it.
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    if whole.symlink_metadata().is_ok() && !whole.is_dir() {
        return Err(no_folder(&whole));
    }
    // pg_ctl puts its arguments between double quotes and gives them to a shell, and its answers are text.
    if whole
        .to_str()
        .is_none_or(|path| path.contains(['"', '$', '`', '\\', '\n']))
    {
        bail!(
            "PostgreSQL cannot be started in {}: its path has a quote, a dollar sign, a backtick, a backslash or a line break, or is not UTF-8; use another folder, or set DATABASE_URL",
            whole.display()
        );
    }
    Ok(whole)
}

fn no_folder(path: &Path) -> anyhow::Error {
    anyhow!(
        "{} is not a folder: name another one (--data-dir), or set DATABASE_URL",
        path.display()
    )
}

/// The folder itself, or the closest one above it that exists.
fn nearest(dir: &Path) -> &Path {
    dir.ancestors()
        .find(|ancestor| ancestor.exists())
        .unwrap_or(dir)
}
