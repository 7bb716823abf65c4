//! The system user that a private server runs as, since `PostgreSQL` refuses to run as root.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What the programs need of our environment; the rest (`PGHOST`, `LANG`, secrets) is kept from them.
const PASSED_ON: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// Who runs the server and owns its files.
#[derive(Debug, Clone)]
pub(super) struct User {
    name: String,
    uid: u32,
    /// Set if this is somebody else than us.
    other: Option<Ids>,
}

#[derive(Debug, Clone, Copy)]
struct Ids {
    uid: u32,
    gid: u32,
}

impl User {
    /// The user of this process.
    pub(super) fn ourselves() -> Result<Self> {
        let uid = id(&["-u"])?.context("`id -u` does not say who we are")?;
        Ok(Self {
            name: format!("uid {uid}"),
            uid,
            other: None,
        })
    }

    /// The user that serves when we are root: `postgres`, or `nobody` if there is none.
    pub(super) fn for_root() -> Result<Self> {
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id(&["-u", name])?, id(&["-g", name])?) {
                return Ok(Self::other(name.to_owned(), Ids { uid, gid }));
            }
        }
        bail!(
            "PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody` to run it as"
        );
    }

    /// The user that a file or folder belongs to, for root.
    pub(super) fn owner_of(path: &Path) -> Result<Self> {
        let owner = path
            .symlink_metadata()
            .with_context(|| format!("cannot see who owns {}", path.display()))?;
        let ids = Ids {
            uid: owner.uid(),
            gid: owner.gid(),
        };
        Ok(Self::other(format!("uid {}", ids.uid), ids))
    }

    fn other(name: String, ids: Ids) -> Self {
        Self {
            name,
            uid: ids.uid,
            other: Some(ids),
        }
    }

    /// What to call this user in a message.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The user's number.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether this is the user of this process.
    pub(super) fn is_us(&self) -> bool {
        self.other.is_none()
    }

    /// Whether nothing is forbidden to this user.
    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// A program to be run as this user, in the root folder and without a terminal.
    ///
    /// It gets a process group of its own: Ctrl+C is for us, and we decide what becomes of the server.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C");
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(ids) = self.other {
            command.uid(ids.uid).gid(ids.gid);
        }
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Hands a file or folder that we made to this user.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        let Some(ids) = self.other else { return Ok(()) };
        lchown(path, Some(ids.uid), Some(ids.gid))
            .with_context(|| format!("cannot give {} to {}", path.display(), self.name))
    }

    /// Whether the permission bits let this user reach a folder that exists.
    pub(super) fn can_enter(&self, folder: &Path) -> Result<bool> {
        let Some(ids) = self.other else {
            return Ok(true);
        };
        for ancestor in folder.ancestors() {
            let found = ancestor
                .metadata()
                .with_context(|| format!("cannot see who may enter {}", ancestor.display()))?;
            let entry = if found.uid() == ids.uid {
                0o100
            } else if found.gid() == ids.gid {
                0o010
            } else {
                0o001
            };
            if found.mode() & entry == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Asks `id`, which also knows the users that are not in `/etc/passwd`.
fn id(question: &[&str]) -> Result<Option<u32>> {
    let answer = Command::new("id")
        .args(question)
        .output()
        .context("cannot run `id`")?;
    if !answer.status.success() {
        return Ok(None);
    }
    Ok(String::from_utf8_lossy(&answer.stdout).trim().parse().ok())
}
