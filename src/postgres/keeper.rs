//! The watch over a private server: if it dies under its users, whoever notices first starts it again.
//!
//! Everything that connects waits meanwhile, as for any database that is away.

use std::path::PathBuf;

use anyhow::Context;
use tokio::time::Instant;

use super::listener::listen;
use super::{Backoff, Database, private};
use crate::shutdown::{self, Stop};

/// Keeps the private server in `dir` running, and `database` connected to it, until it is told to stop.
///
/// # Errors
/// None: what cannot be mended is logged and tried again.
pub async fn run(database: Database, dir: PathBuf, stop: Stop) -> anyhow::Result<()> {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        if stop.run_until_cancelled(lost(&database)).await.is_none() {
            return Ok(());
        }
        if began.elapsed() > Backoff::LONGEST {
            backoff.reset();
        }
        // Not cut short by a stop: a server that was just started must be left properly.
        if let Err(error) = revive(&database, dir.clone()).await {
            tracing::warn!("the private Postgres is away: {error:#}");
        }
        if !shutdown::sleep(backoff.delay(), &stop).await {
            return Ok(());
        }
    }
}

/// Waits until the server does not answer: an idle connection is cut at the moment it dies.
async fn lost(database: &Database) {
    let Ok(mut idle) = listen(database, "keeper", []).await else {
        return;
    };
    while let Ok(Some(_)) = idle.try_recv().await {}
}

/// Finds the server, started again if it is dead, wherever it is now.
async fn revive(database: &Database, dir: PathBuf) -> anyhow::Result<()> {
    let cluster = tokio::task::spawn_blocking(move || private::find(&dir))
        .await
        .context("looking for the private Postgres was interrupted")??;
    database.moved_to(cluster.url())?;
    // Whoever keeps it has a seat already.
    cluster.stay();
    Ok(())
}
