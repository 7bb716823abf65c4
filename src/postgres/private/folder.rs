//! The files of a private cluster: how they are made and what is kept in them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, bail};
use uuid::Uuid;

use super::place::{Place, SIDE};
use super::programs::Programs;
use super::settings::settings;
use super::user::User;
use super::{Durability, NAME};

/// A cluster's folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    user: User,
}

/// What `postmaster.pid` says, true or stale.
#[derive(Debug, Default)]
pub(super) struct PidFile {
    pub(super) pid: Option<u32>,
    pub(super) port: Option<u16>,
}

impl Folder {
    /// The folder of the cluster in a place, whether it was made or not.
    pub(super) fn of(place: &Place) -> Self {
        Self {
            path: place.cluster(),
            user: place.user().clone(),
        }
    }

    /// Makes the cluster beside its place and renames it, so that it is never seen half made.
    pub(super) fn make(&self, programs: &Programs, durability: Durability) -> Result<()> {
        let beside = self.beside();
        // A new name each time: an initdb whose starter was killed may still be writing to the old one.
        let side = Self {
            path: beside.join(format!("{SIDE}{}", Uuid::new_v4().simple())),
            user: self.user.clone(),
        };
        let made = side
            .fill(programs, durability)
            .and_then(|()| {
                fs::rename(&side.path, &self.path)
                    .with_context(|| format!("cannot rename {}", side.path.display()))
            })
            .with_context(|| format!("cannot make a database in {}", self.path.display()));
        if made.is_err() {
            self.sweep();
        }
        made?;
        if durability == Durability::Full {
            File::open(beside)
                .and_then(|folder| folder.sync_all())
                .with_context(|| format!("cannot sync {}", beside.display()))?;
        }
        Ok(())
    }

    /// Removes what interrupted attempts left; they harm nobody, so this only tries.
    pub(super) fn sweep(&self) {
        let entries = fs::read_dir(self.beside()).into_iter().flatten().flatten();
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with(SIDE)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::debug!("could not remove {}: {error}", entry.path().display());
            }
        }
    }

    fn beside(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    fn fill(&self, programs: &Programs, durability: Durability) -> Result<()> {
        DirBuilder::new()
            .mode(0o700)
            .create(&self.path)
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        self.user.give(&self.path)?;
        self.write("password", &format!("{}\n", Uuid::new_v4().simple()))?;

        let mut initdb = self.user.command(programs.path("initdb"));
        initdb
            .args(["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .args(["--no-instructions", "--username", NAME])
            .args([option("--pwfile=", &self.path.join("password"))])
            .args([option("--pgdata=", &self.data())]);
        if durability == Durability::Off {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().context("cannot run initdb")?;
        if !output.status.success() {
            bail!("initdb failed: {}", words_of(&output));
        }

        // The file is initdb's, so it stays the user's.
        let main = self.data().join("postgresql.conf");
        OpenOptions::new()
            .append(true)
            .open(&main)
            .and_then(|mut file| file.write_all(b"\ninclude 'ringback.conf'\n"))
            .with_context(|| format!("cannot add to {}", main.display()))?;
        self.configure(durability)
    }

    /// Writes the settings that the next start reads.
    pub(super) fn configure(&self, durability: Durability) -> Result<()> {
        self.write("data/ringback.conf", &settings(durability))
    }

    /// The major version that made the cluster, if it is made.
    pub(super) fn major(&self) -> Result<Option<u32>> {
        let path = self.data().join("PG_VERSION");
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let major = text
            .trim()
            .parse()
            .with_context(|| format!("cannot make sense of {}", path.display()))?;
        Ok(Some(major))
    }

    /// What the server calls its data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where the server logs.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Who owns it all.
    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// The password of the database user.
    pub(super) fn password(&self) -> Result<String> {
        let path = self.path.join("password");
        match read(&path)? {
            Some(text) => Ok(text.trim().to_owned()),
            None => bail!(
                "the password of the private database is gone from {}: remove {} to start anew",
                path.display(),
                self.path.display()
            ),
        }
    }

    /// The port of the last start.
    pub(super) fn port(&self) -> Result<Option<u16>> {
        let text = read(&self.path.join("port"))?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// Keeps the port for the next start.
    pub(super) fn keep_port(&self, port: u16) -> Result<()> {
        self.write("port", &format!("{port}\n"))
    }

    /// What the server, or one that died, wrote about itself.
    pub(super) fn pid_file(&self) -> Result<Option<PidFile>> {
        let text = read(&self.data().join("postmaster.pid"))?;
        Ok(text.map(|text| {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            PidFile {
                // A server in single-user mode writes its number with a minus.
                pid: lines
                    .first()
                    .and_then(|pid| pid.trim_start_matches('-').parse().ok()),
                port: lines.get(3).and_then(|port| port.parse().ok()),
            }
        }))
    }

    /// Removes a pid file that was found to be stale; the server refuses to start over some of them.
    pub(super) fn remove_pid_file(&self) -> Result<()> {
        remove(&self.data().join("postmaster.pid"))
    }

    /// Lets the next start begin a log of its own, so that it grows no longer than one server's life.
    pub(super) fn turn_log_over(&self) -> Result<()> {
        let log = self.log();
        match fs::rename(&log, self.path.join("server.log.old")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot rename {}", log.display()))
            }
            _ => Ok(()),
        }
    }

    /// Removes the log of a start that failed, so that its tail tells of the next try alone.
    pub(super) fn clear_log(&self) -> Result<()> {
        remove(&self.log())
    }

    /// The end of the log, for a message.
    pub(super) fn log_tail(&self) -> String {
        let tail = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let start = file.metadata()?.len().saturating_sub(3000);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let path = self.log();
        match tail() {
            Ok(tail) => format!("the end of {}:\n{tail}", path.display()),
            Err(error) => format!("{} cannot be read: {error}", path.display()),
        }
    }

    /// Writes a file that only its owner can read, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        let doing = || format!("cannot write {}", path.display());
        let new = path.with_extension("new");
        // The folder is its user's, who may have put a link there for root to write through: only a new file will do.
        remove(&new)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .with_context(doing)?;
        file.write_all(text.as_bytes()).with_context(doing)?;
        file.sync_all().with_context(doing)?;
        self.user.give(&new)?;
        fs::rename(&new, &path).with_context(doing)
    }
}

/// What a program had to say, for a message.
pub(super) fn words_of(output: &Output) -> String {
    let words = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said));
    let words: Vec<&str> = words
        .iter()
        .map(|said| said.trim())
        .filter(|said| !said.is_empty())
        .collect();
    if words.is_empty() {
        return format!("{}, without a word", output.status);
    }
    words.join("\n")
}

/// An option that carries a path.
fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// Reads a file that may be missing.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Removes a file that may be missing.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
