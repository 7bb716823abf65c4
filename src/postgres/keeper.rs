//! The watch over a private server: if it dies under its users, whoever notices first starts it again.
//!
//! Everything that connects waits meanwhile, as for any database that is away.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::listener::listen;
use super::private::{self, Cluster};
use super::{Backoff, Database};
use crate::shutdown::{self, Stop};

/// Keeps the private server in `dir` running, and `database` connected to it, until it is told to stop.
///
/// # Errors
/// When it has started the server and cannot leave it; what else goes wrong is logged and tried again.
pub async fn run(database: Database, dir: PathBuf, stop: Stop) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    // Its own seat: where it finds the server need not be where it was at first, if the folder was replaced.
    let mut found: Option<Cluster> = None;
    loop {
        let Some(was_there) = stop.run_until_cancelled(lost(&database)).await else {
            break;
        };
        if was_there > Backoff::LONGEST {
            backoff.reset();
        }
        match find(dir.clone(), found.take(), stop.clone()).await {
            Ok(cluster) => {
                database.moved_to(cluster.url())?;
                found = Some(cluster);
            }
            Err(_) if stop.is_cancelled() => break,
            Err(error) if backoff.tells() => {
                tracing::warn!("the private Postgres is away: {error:#}");
            }
            Err(_) => {}
        }
        if !shutdown::sleep(backoff.delay(), &stop).await {
            break;
        }
    }
    let Some(cluster) = found else { return Ok(()) };
    tokio::task::spawn_blocking(move || cluster.leave())
        .await
        .context("leaving the private Postgres was interrupted")?
}

/// Waits until the server does not answer: an idle connection is cut at the moment it dies. Answers for how long it did.
async fn lost(database: &Database) -> Duration {
    let Ok(mut idle) = listen(database, "keeper", []).await else {
        return Duration::ZERO;
    };
    let began = Instant::now();
    while let Ok(Some(_)) = idle.try_recv().await {}
    began.elapsed()
}

/// Finds the server, started again if it is dead, wherever it is now; `before` is where it was.
async fn find(dir: PathBuf, before: Option<Cluster>, stop: Stop) -> anyhow::Result<Cluster> {
    // Not cut short: a server that was just started must be left properly. It hears of a stop by itself.
    let finding = tokio::task::spawn_blocking(move || {
        let found = private::find(&dir, &stop);
        drop(before);
        found
    });
    finding
        .await
        .context("looking for the private Postgres was interrupted")?
}
