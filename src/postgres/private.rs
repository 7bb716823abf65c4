//! The database that `ringback dev` starts by itself: one folder, one `PostgreSQL` cluster, many users.
//!
//! [`ensure`] makes the cluster if it is missing, starts it if it is stopped and adopts it if it runs.
//! Whoever uses it holds a shared file lock; the last one to leave stops the server.
//! A server that outlives its users, after a SIGKILL, is found and adopted by the next one.
//!
//! Everything here blocks for as long as `PostgreSQL` takes: call it from a thread that may wait.
//! It knows nothing of our tables, and nothing of a database that somebody else runs (`DATABASE_URL`).
//!
//! What is in the folder:
//!
//! ```text
//! start.lock       held while a cluster is made, started or stopped
//! use.lock         shared by everybody who uses the server
//! cluster/         appears complete, by a rename
//!   data/          what initdb made
//!   password       of the database user `ringback`
//!   port           the last one used, kept while it is free
//!   server.log     since the last start; server.log.old is the one before
//! ```

mod folder;
mod lock;
mod place;
mod process;
mod programs;
mod server;
mod settings;
mod user;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use folder::Folder;
use lock::Lock;
use place::Place;
use programs::Programs;
use server::Server;

use crate::shutdown::Stop;

/// The user, and the database, that every private cluster has.
const NAME: &str = "ringback";

/// How long a server of ours that is starting or stopping may take to make up its mind.
const SETTLING: Duration = Duration::from_secs(60);

/// Longer than anybody holds a lock that excludes us: one start that waits for a recovery, and some.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long leaving tries to talk to a server before it is left alone.
const LEAVING: Duration = Duration::from_secs(10);

/// How hard the cluster tries to keep what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What is committed survives a power cut: `PostgreSQL`'s own defaults.
    Full,
    /// For throwaway clusters of tests: quick, and broken by a power cut.
    Off,
}

/// A running cluster, and a seat in it: the server stays at least until this is left or dropped.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    place: Place,
    server: Server,
    /// Empty once left.
    seat: Option<Lock>,
}

/// Gives the cluster in `dir`, made, started or adopted as needed.
///
/// Started as root, it runs the server as another user, and uses a folder beneath `/var/lib/ringback` when that user cannot enter `dir`.
///
/// The durability counts when the server is started; one that already runs keeps its own.
/// When it is told to stop it does so soon, and leaves nothing behind that it has begun.
///
/// # Errors
///
/// When it is told to stop, when `PostgreSQL` 15 or newer is not installed, or the cluster cannot be made or started; the message says what was tried.
pub fn ensure(dir: &Path, durability: Durability, stop: &Stop) -> Result<Cluster> {
    let place = Place::choose(dir)?;
    place.create()?;
    join(place, Some(durability), stop)
}

/// Gives the cluster in `dir` if it was made before, started if it is stopped; for commands that may not make one.
///
/// # Errors
///
/// When there is no cluster, with what to do about it, or when it cannot be started.
pub fn find(dir: &Path, stop: &Stop) -> Result<Cluster> {
    let place = Place::choose(dir)?;
    if !place.has_cluster() {
        bail!(
            "there is no database of ours in {place}: go where `ringback dev` runs, or name its folder (--data-dir), or set DATABASE_URL"
        );
    }
    join(place, None, stop)
}

/// Stops the server in `dir` and deletes all that was made there; for throwaway clusters.
///
/// # Errors
///
/// When somebody uses the cluster, or it cannot be stopped or deleted.
pub fn discard(dir: &Path) -> Result<()> {
    let place = Place::choose(dir)?;
    if place.has_cluster() {
        let turn = place.take_turn(LEAVING, &Stop::new())?;
        if !place.is_unused()? {
            bail!("the database in {place} is in use: nothing was deleted");
        }
        let folder = Folder::of(&place);
        let programs = Programs::find(place.user(), folder.major()?)?;
        let server = Server::new(folder, programs)?;
        if server.running(LEAVING, &Stop::new())?.is_some() {
            server.stop()?;
        }
        drop(turn);
    }
    place.clear()
}

/// Takes a seat in the cluster; without a durability it must exist and keeps its settings.
fn join(place: Place, durability: Option<Durability>, stop: &Stop) -> Result<Cluster> {
    let turn = place.take_turn(PATIENCE, stop)?;
    let seat = place.take_seat(PATIENCE, stop)?;

    let folder = Folder::of(&place);
    folder.sweep();
    let programs = Programs::find(place.user(), folder.major()?)
        .with_context(|| format!("cannot run the private Postgres in {place}"))?;
    if let Some(durability) = durability
        && !place.has_cluster()
    {
        tracing::info!("making a private Postgres in {place} with {programs}");
        folder.make(&programs, durability)?;
    }
    let server = Server::new(folder, programs)?;
    let mut cluster = Cluster {
        url: String::new(),
        place,
        server,
        seat: Some(seat),
    };
    let port = match up(&cluster.server, durability, stop) {
        // It may have died in between; twice is no accident.
        Err(_) if !stop.is_cancelled() => up(&cluster.server, durability, stop),
        port => port,
    };
    // Before the error returns: dropping the cluster leaves it, and leaving needs the turn.
    drop(turn);
    cluster.url = cluster.server.url(port?);
    Ok(cluster)
}

/// The port of the server, started if it is not running, with our database in it.
fn up(server: &Server, durability: Option<Durability>, stop: &Stop) -> Result<u16> {
    let port = match server.running(SETTLING, stop)? {
        Some(port) => port,
        None => server.start(durability, stop)?,
    };
    server.create_database(port)?;
    Ok(port)
}

impl Cluster {
    /// Where to connect: `postgres://ringback:<password>@127.0.0.1:<port>/ringback?sslmode=disable`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives the seat back; the last one to do so stops the server.
    ///
    /// # Errors
    ///
    /// When this was the last one and the server could not be stopped; it is then left running for the next user to adopt.
    pub fn leave(mut self) -> Result<()> {
        self.give_back()
    }

    /// Gives the seat back and leaves the server running, for whoever was told the URL; the next user adopts it.
    pub fn stay(mut self) {
        self.seat = None;
    }

    fn give_back(&mut self) -> Result<()> {
        let Some(seat) = self.seat.take() else {
            return Ok(());
        };
        // Nobody can take a seat while it is our turn, so an empty room stays empty.
        let turn = self.place.take_turn(LEAVING, &Stop::new());
        drop(seat);
        let _turn = turn?;
        if self.place.is_unused()? && self.server.running(LEAVING, &Stop::new())?.is_some() {
            self.server.stop()?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.give_back() {
            tracing::warn!("could not leave the private database: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests;
