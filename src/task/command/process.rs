//! One process of a command, with everything that it has started: its process group.

use std::ffi::OsString;
use std::io::{self, PipeReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::Command as Settings;
use super::guardian::Guardian;
use super::output::Output;

/// Where programs are, if nobody says so.
pub(super) const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Waits for the word that the guardian knows of it, and then becomes the program: nothing of it runs before. When the
/// worker dies first, the line does not come. It may have as many files open as programs usually may, whatever the
/// worker allows itself.
const SHIM: &str = r#"IFS= read -r _ || exit; ulimit -S -n "$1" 2>/dev/null; shift; exec "$@""#;

/// One that runs. Whoever has it, ends it; where that cannot be, because the program itself ends, the guardian does.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    grace: Duration,
    guardian: Arc<Guardian>,
    /// Set when it was told to end.
    told: OnceLock<()>,
}

/// What is said to it and by it.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) input: pipe::Sender,
    pub(super) output: Output,
    pub(super) errors: Output,
}

/// Why one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Itself,
    /// It was told to, and had not before.
    Told,
}

/// Whether it has the descriptor 3, for what it says while it works.
#[derive(Debug)]
pub(super) enum Third {
    Open,
    Closed,
}

impl Process {
    /// Starts the command, with these variables besides its own.
    pub(super) fn start(
        settings: &Settings,
        variables: &[(&str, String)],
        third: &Third,
    ) -> io::Result<(Self, Pipes, Option<Output>)> {
        let program = find(settings).map_err(io::Error::other)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SHIM, "sh", &settings.files])
            .arg(program)
            .args(settings.command.iter().skip(1))
            .current_dir(&settings.directory)
            .env_clear()
            .envs(settings.passed())
            .envs(&settings.environment)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let third = match third {
            Third::Open => Some(open_third(&mut command)?),
            Third::Closed => None,
        };
        let mut child = command.spawn()?;
        // It has our copy of the other end of the third.
        drop(command);
        let group = Pid::from_child(&child);
        let mut input = child.stdin.take().expect("it has just been piped");
        let output = child.stdout.take().expect("it has just been piped");
        let errors = child.stderr.take().expect("it has just been piped");
        let mut process = Self {
            child,
            group,
            grace: settings.grace,
            guardian: Arc::clone(&settings.guardian),
            told: OnceLock::new(),
        };
        let pipes = process
            .guardian
            .watch(group, settings.grace)
            .and_then(|()| input.write_all(b"\n"))
            .and_then(|()| {
                let pipes = Pipes {
                    input: pipe::Sender::from_owned_fd(input.into())?,
                    output: Output::new(output.into())?,
                    errors: Output::new(errors.into())?,
                };
                let third = third.map(|third| Output::new(third.into())).transpose()?;
                Ok((pipes, third))
            });
        match pipes {
            Ok((pipes, third)) => Ok((process, pipes, third)),
            Err(error) => {
                // Nothing of the program has begun, or it is as if nothing had.
                let _ = process.close();
                Err(error)
            }
        }
    }

    /// Waits until it has ended. What it has started may still run, and its number is still its own.
    pub(super) async fn ended(&self) {
        let Ok(mut children) = signal(SignalKind::child()) else {
            // Such a program hears of no child. It cannot have started this one.
            return;
        };
        while !self.has_ended() {
            children.recv().await;
        }
    }

    /// Whether it has.
    pub(super) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), look) {
            Ok(ended) => ended.is_some(),
            // Somebody else in this program waits for all children.
            Err(error) => error == Errno::CHILD,
        }
    }

    /// Tells it to end, with everything that it has started; kills it when it has not after its grace.
    pub(super) async fn end(&self) -> Cause {
        self.end_within(self.grace).await
    }

    /// The same with another grace.
    pub(super) async fn end_within(&self, grace: Duration) -> Cause {
        if self.has_ended() {
            return Cause::Itself;
        }
        if self.told.set(()).is_ok() {
            self.signal(Signal::TERM);
            self.guardian.told_to_end(self.group);
        }
        if tokio::time::timeout(grace, self.ended()).await.is_err() {
            self.signal(Signal::KILL);
            self.ended().await;
        }
        Cause::Told
    }

    /// How long it may still take when it was told to end.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Kills what is left of its group; gives what became of it. To be called when it has ended; others are killed.
    pub(super) fn close(&mut self) -> io::Result<ExitStatus> {
        // While it is not waited for, its number is not given to another.
        self.signal(Signal::KILL);
        self.guardian.forget(self.group);
        self.child.wait()
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            // Some systems have no group whose last process has ended, or do not let it be signalled.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
            Err(error) => tracing::warn!(%error, "a command could not be signalled"),
        }
    }
}

fn open_third(command: &mut Command) -> io::Result<PipeReader> {
    let (ours, its) = io::pipe()?;
    let mapping = FdMapping {
        parent_fd: OwnedFd::from(its),
        child_fd: 3,
    };
    command
        .fd_mappings(vec![mapping])
        .map_err(io::Error::other)?;
    Ok(ours)
}

/// Where its program is.
///
/// # Errors
/// A sentence about why it cannot be run.
pub(super) fn find(settings: &Settings) -> Result<PathBuf, String> {
    let name = &settings.command[0];
    if !settings.directory.is_dir() {
        return Err(format!(
            "its working directory is not there, so {name} cannot be started"
        ));
    }
    if name.contains('/') {
        let path = settings.directory.join(name);
        return match is_program(&path) {
            true => Ok(path),
            false if path.exists() => Err(format!("{name} is not a program that may be executed")),
            false => Err(format!("there is no program {name}")),
        };
    }
    let path = match settings.environment.get("PATH") {
        Some(path) => OsString::from(path),
        None => {
            let mut passed = settings.passed();
            let path = passed.find(|(name, _)| *name == "PATH");
            path.map_or_else(|| USUAL_PATH.into(), |(_, path)| path)
        }
    };
    let mut paths =
        std::env::split_paths(&path).map(|folder| settings.directory.join(folder).join(name));
    let found = paths.find(|path| is_program(path));
    found.ok_or_else(|| format!("there is no program {name} in its PATH"))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
