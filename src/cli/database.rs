//! Which database a verb works on, and for how long the private one is in use.

use std::error::Error;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::exit::Exit;
use crate::config::DatabaseConfig;
use crate::postgres::private::{self, Cluster, Durability};
use crate::postgres::{Database, Fault, advice, keeper, turns_away};
use crate::shutdown::{self, Parts, Stop};

/// For how long a private database that has died just now is waited for.
const AWAY: Duration = Duration::from_secs(30);

/// How long the server may take to let its connections go.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open database.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) database: Database,
    pub(super) url: String,
    seat: Option<Seat>,
}

/// Whether a private database may be made for a verb, or must be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Private {
    MayBeMade,
    MustBeThere,
}

/// A seat in the private cluster, and the watch over its server.
#[derive(Debug)]
struct Seat {
    cluster: Cluster,
    keeper: Parts,
    done: Stop,
}

/// Runs a verb that comes to an end by itself; stopped before that, it has failed.
pub(super) async fn once(
    config: &DatabaseConfig,
    private: Private,
    verb: impl AsyncFnOnce(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Heard from the beginning, so that a private server that is just being started is not left behind.
    let stop = shutdown::on_signal()?;
    let open = open(config, private, &stop).await?;
    // Boxed, since it may be large, and is made once.
    let ran = stop.run_until_cancelled(Box::pin(verb(&open))).await;
    open.leave_after(ran.unwrap_or_else(|| Err(Exit::Stopped.into())))
        .await
}

/// Runs a verb that goes on until it is stopped.
pub(super) async fn until_stopped(
    config: &DatabaseConfig,
    verb: impl AsyncFnOnce(&Open, Stop) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let open = match open(config, Private::MayBeMade, &stop).await {
        Err(_) if stop.is_cancelled() => return Ok(()),
        open => open?,
    };
    let ran = verb(&open, stop).await;
    open.leave_after(ran).await
}

/// Opens the database named in the settings, or the private one, started if need be.
pub(super) async fn open(
    config: &DatabaseConfig,
    private: Private,
    stop: &Stop,
) -> anyhow::Result<Open> {
    if let Some(url) = config.database_url.as_deref().filter(|url| !url.is_empty()) {
        return Ok(Open {
            database: Database::new(url)?,
            url: url.to_owned(),
            seat: None,
        });
    }
    let (dir, stop) = (config.data_dir.clone(), stop.clone());
    let cluster = tokio::task::spawn_blocking(move || match private {
        Private::MayBeMade => private::ensure(&dir, Durability::Full, &stop),
        Private::MustBeThere => private::find(&dir, &stop),
    })
    .await
    .context("starting the private Postgres was interrupted")??;
    let url = cluster.url().to_owned();
    let database = Database::new(&url)?;
    let done = Stop::new();
    let mut keeper = Parts::default();
    let keeping = keeper::run(database.clone(), config.data_dir.clone(), done.clone());
    keeper.spawn("watch over the private Postgres", keeping);
    Ok(Open {
        database,
        url,
        seat: Some(Seat {
            cluster,
            keeper,
            done,
        }),
    })
}

impl Open {
    pub(super) fn is_private(&self) -> bool {
        self.seat.is_some()
    }

    /// Stops using it, whatever came of that; the last one to leave the private Postgres stops it.
    async fn leave_after(self, ran: anyhow::Result<()>) -> anyhow::Result<()> {
        match (ran, self.leave().await) {
            (Err(error), Err(also)) => {
                tracing::warn!("{also:#}");
                Err(error)
            }
            (ran, left) => ran.and(left),
        }
    }

    async fn leave(self) -> anyhow::Result<()> {
        let Some(cluster) = self.close().await? else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || cluster.leave())
            .await
            .context("stopping the private Postgres was interrupted")?
    }

    /// Stops using it, but leaves a private Postgres running for whoever was told its URL.
    pub(super) async fn stay(self) -> anyhow::Result<()> {
        if let Some(cluster) = self.close().await? {
            cluster.stay();
        }
        Ok(())
    }

    async fn close(self) -> anyhow::Result<Option<Cluster>> {
        // A statement that was given up may hold its connection for as long as the server works on it.
        let _ = tokio::time::timeout(GOODBYE, self.database.close()).await;
        let Some(seat) = self.seat else {
            return Ok(None);
        };
        seat.done.cancel();
        seat.keeper.join(&seat.done).await?;
        Ok(Some(seat.cluster))
    }

    /// Makes sure that the schema is this program's: the private database's always, another's when `migrate` is asked.
    pub(super) async fn prepare(&self, migrate: bool) -> anyhow::Result<()> {
        let give_up = Instant::now() + AWAY;
        loop {
            let prepared = if migrate || self.is_private() {
                self.database.migrate().await
            } else {
                self.database.check_schema().await
            };
            match prepared {
                // One that is named may be named wrongly, unless it says itself that it has no room; a private one that
                // dies is started again.
                Err(error)
                    if Instant::now() < give_up
                        && (self.is_private() && is(&error, is_away) || is(&error, turns_away)) =>
                {
                    tracing::warn!("{}; trying again", told(&error));
                    tokio::time::sleep(AWAY / 60).await;
                }
                prepared => return prepared,
            }
        }
    }
}

/// An error with all its causes, and what to do where somebody has to do something.
pub(super) fn told(error: &anyhow::Error) -> String {
    match databases(error).find_map(advice) {
        Some(advice) => format!("{error:#} ({advice})"),
        None => format!("{error:#}"),
    }
}

fn is(error: &anyhow::Error, so: fn(&sqlx::Error) -> bool) -> bool {
    databases(error).any(so)
}

/// What the database has to do with an error.
fn databases(error: &anyhow::Error) -> impl Iterator<Item = &sqlx::Error> {
    error.chain().filter_map(<dyn Error>::downcast_ref)
}

fn is_away(error: &sqlx::Error) -> bool {
    Fault::of(error) == Fault::Away
}
