//! The server process of a private cluster: is it there, is it ours, start it, stop it.
//!
//! A pid file proves nothing, since pids are used again: only a server that took our password and named our data directory is ever told to stop.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use uuid::Uuid;

use super::folder::{Folder, PidFile, words_of};
use super::process::{is_same, is_server_in};
use super::programs::Programs;
use super::{Durability, NAME, SETTLING};
use crate::shutdown::Stop;

/// How long the processes of a killed server may take to notice and go.
const ORPHANS: Duration = Duration::from_secs(20);

/// How long a pid file may be empty because it is just being written.
const BEING_WRITTEN: Duration = Duration::from_secs(1);

/// How long a server may take to stop, before the next harder way.
const STOPPING: Duration = Duration::from_secs(20);

/// How often a start is tried with another port, when somebody was quicker.
const PORT_TRIES: u32 = 5;

/// A cluster that was made, running or not.
#[derive(Debug)]
pub(super) struct Server {
    folder: Folder,
    programs: Programs,
    password: String,
}

impl Server {
    /// The server of a folder that has a cluster.
    pub(super) fn new(folder: Folder, programs: Programs) -> Result<Self> {
        let password = folder.password()?;
        Ok(Self {
            folder,
            programs,
            password,
        })
    }

    /// Where to connect if it listens on this port.
    pub(super) fn url(&self, port: u16) -> String {
        let password = &self.password;
        format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{NAME}?sslmode=disable")
    }

    /// The port on which our server answers, or nothing if there is none.
    ///
    /// One that is starting or stopping is waited for, within the limit.
    /// A pid file that names another process is removed, and that process is left alone.
    pub(super) fn running(&self, limit: Duration, stop: &Stop) -> Result<Option<u16>> {
        let began = Instant::now();
        let data = self.folder.data();
        loop {
            let Some(file) = self.folder.pid_file()? else {
                return Ok(None);
            };
            if file.pid.is_none() && began.elapsed() < BEING_WRITTEN {
                sleep(Duration::from_millis(50));
                continue;
            }
            let answer = match file.port {
                Some(port) => self.data_directory(port).map(|answer| (port, answer)),
                None => Err(anyhow!("it has no port yet")),
            };
            if let Ok((port, answer)) = &answer
                && is_same(answer, &data)
            {
                return Ok(Some(*port));
            }
            let pid = match file.pid {
                Some(pid) if self.works_here(pid)? => pid,
                _ => {
                    self.folder.remove_pid_file()?;
                    return Ok(None);
                }
            };
            let error = match answer {
                Ok((_, answer)) => bail!(
                    "the server with the pid {pid} runs in {} but was started as {}: the folder was moved under it; stop it with `{} stop -m fast -D {}`",
                    data.display(),
                    answer.display(),
                    self.programs.path("pg_ctl").display(),
                    data.display()
                ),
                Err(error) => error,
            };
            let refused = format!("{error:#}").contains("authentication failed");
            if refused || began.elapsed() > limit || stop.is_cancelled() {
                return Err(error.context(format!(
                    "the server with the pid {pid} runs in {} and does not let us in; {}",
                    data.display(),
                    self.folder.log_tail()
                )));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Starts the server, which must not be running, and gives its port.
    ///
    /// One that somebody else has just started, and could not wait for, is as good.
    pub(super) fn start(&self, durability: Option<Durability>, stop: &Stop) -> Result<u16> {
        if let Some(durability) = durability {
            self.folder.configure(durability)?;
        }
        self.folder.turn_log_over()?;
        tracing::info!("starting the private Postgres");
        let started = self.launch().and_then(|()| {
            self.running(SETTLING, stop)?.with_context(|| {
                format!(
                    "the server that was started in {} is gone; {}",
                    self.folder.data().display(),
                    self.folder.log_tail()
                )
            })
        });
        if started.is_err()
            && let Some(PidFile { pid: Some(pid), .. }) = self.folder.pid_file()?
            && self.works_here(pid)?
        {
            self.stop()?;
        }
        started
    }

    fn launch(&self) -> Result<()> {
        let deadline = Instant::now() + ORPHANS;
        let mut tries = 1;
        let mut port = match self.folder.port()? {
            Some(port) if is_free(port) => port,
            _ => free_port()?,
        };
        loop {
            self.folder.keep_port(port)?;
            let log = self.folder.log();
            let output = self
                .pg_ctl("start", SETTLING)
                .arg("-l")
                .arg(&log)
                .args(["-o", &format!("-p {port}")])
                .output()
                .context("cannot run pg_ctl start")?;
            let tail = self.folder.log_tail();
            // Whoever had the turn before us was killed while its server was starting.
            let is_there = tail.contains("lock file \"postmaster.pid\" already exists");
            if output.status.success() || is_there {
                return Ok(());
            }
            let taken = tail.contains("could not create any TCP/IP sockets");
            let orphans = tail.contains("shared memory block");
            if taken && tries < PORT_TRIES {
                tries += 1;
                port = free_port()?;
            } else if orphans && Instant::now() < deadline {
                sleep(Duration::from_millis(100));
            } else {
                bail!(
                    "cannot start PostgreSQL in {}: {}\n{tail}",
                    self.folder.data().display(),
                    words_of(&output)
                );
            }
            self.folder.clear_log()?;
        }
    }

    /// Stops the server; only for one that was just proved to be ours.
    pub(super) fn stop(&self) -> Result<()> {
        let mut said = String::new();
        // A process that does not answer holds up the first way, not the second; a recovery makes up for it.
        for mode in ["fast", "immediate"] {
            let output = self
                .pg_ctl("stop", STOPPING)
                .args(["-m", mode])
                .output()
                .context("cannot run pg_ctl stop")?;
            if output.status.success() {
                return Ok(());
            }
            said = words_of(&output);
        }
        bail!(
            "cannot stop PostgreSQL in {}: {said}\n{}",
            self.folder.data().display(),
            self.folder.log_tail()
        );
    }

    /// Makes the database if it is not there: after the first start, or after somebody dropped it.
    pub(super) fn create_database(&self, port: u16) -> Result<()> {
        let there = format!("select count(*) from pg_database where datname = '{NAME}'");
        if self.ask(port, &there)? == b"0" {
            self.ask(port, &format!("create database {NAME}"))
                .with_context(|| format!("cannot create the database {NAME}"))?;
        }
        Ok(())
    }

    fn data_directory(&self, port: u16) -> Result<PathBuf> {
        let answer = self.ask(port, "show data_directory")?;
        Ok(PathBuf::from(OsStr::from_bytes(&answer)))
    }

    /// Runs one statement in the database that every cluster has.
    fn ask(&self, port: u16, statement: &str) -> Result<Vec<u8>> {
        let output = self
            .folder
            .user()
            .command(self.programs.path("psql"))
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "5")
            .env("PGOPTIONS", "-c statement_timeout=30s")
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable")
            // A stranger on this port must not be told the password. (Versions before 16 do not know this.)
            .env("PGREQUIREAUTH", "scram-sha-256")
            .args(["--no-psqlrc", "--no-password", "--quiet"])
            .args(["--no-align", "--tuples-only"])
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .args(["--username", NAME, "--dbname", "postgres"])
            .args(["--command", statement])
            .output()
            .context("cannot run psql")?;
        if !output.status.success() {
            bail!(
                "cannot ask PostgreSQL on port {port}: {}",
                words_of(&output)
            );
        }
        Ok(output.stdout.trim_ascii_end().to_vec())
    }

    fn works_here(&self, pid: u32) -> Result<bool> {
        is_server_in(self.folder.user(), pid, &self.folder.data())
    }

    fn pg_ctl(&self, verb: &str, limit: Duration) -> std::process::Command {
        let mut command = self.folder.user().command(self.programs.path("pg_ctl"));
        command
            .args([verb, "--silent", "--wait", "--timeout"])
            .arg(limit.as_secs().to_string())
            .arg("-D")
            .arg(self.folder.data());
        command
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port below those that systems hand out for outgoing connections, so that it is likely to be free next time too.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let (_, random, ..) = Uuid::new_v4().as_fields();
        let port = 20_000 + random % 12_000;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("cannot find a free port on 127.0.0.1 for PostgreSQL: 100 tries between 20000 and 32000");
}
