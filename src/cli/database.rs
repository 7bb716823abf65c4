//! Which database a verb works on, and for how long the private one is in use.

use anyhow::Context;

use crate::config::DatabaseConfig;
use crate::postgres::private::{self, Cluster, Durability};
use crate::postgres::{Database, keeper};
use crate::shutdown::{self, Parts, Stop};

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

/// Runs a verb on the database named in the settings, or on the private one.
///
/// Ctrl+C is heard from the beginning, so that a private server that is just being started is not left behind.
pub(super) async fn with(
    config: &DatabaseConfig,
    private: Private,
    verb: impl AsyncFnOnce(&Open, Stop) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let open = open(config, private).await?;
    let ran = if stop.is_cancelled() {
        Ok(())
    } else {
        verb(&open, stop).await
    };
    ran.and(open.leave().await)
}

/// Opens the database named in the settings, or the private one, started if need be.
pub(super) async fn open(config: &DatabaseConfig, private: Private) -> anyhow::Result<Open> {
    if let Some(url) = config.database_url.as_deref().filter(|url| !url.is_empty()) {
        return Ok(Open {
            database: Database::new(url)?,
            url: url.to_owned(),
            seat: None,
        });
    }
    let dir = config.data_dir.clone();
    let cluster = tokio::task::spawn_blocking(move || match private {
        Private::MayBeMade => private::ensure(&dir, Durability::Full),
        Private::MustBeThere => private::find(&dir),
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

    /// Stops using it; the last one to leave the private Postgres stops it.
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
        self.database.pool().close().await;
        let Some(seat) = self.seat else {
            return Ok(None);
        };
        seat.done.cancel();
        seat.keeper.join(&seat.done).await?;
        Ok(Some(seat.cluster))
    }

    /// Makes sure that the schema is this program's: the private database's always, another's when `migrate` is asked.
    pub(super) async fn prepare(&self, migrate: bool) -> anyhow::Result<()> {
        if migrate || self.is_private() {
            self.database.migrate().await
        } else {
            self.database.check_schema().await
        }
    }
}
