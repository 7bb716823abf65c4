//! Which database a verb works on, and for how long the private one is in use.

use anyhow::Context;

use crate::config::DatabaseConfig;
use crate::postgres::Database;
use crate::postgres::private::{self, Cluster, Durability};

/// An open database.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) database: Database,
    pub(super) url: String,
    private: Option<Cluster>,
}

/// The database named in the settings, or the private one, started if need be.
pub(super) async fn open_or_create(config: &DatabaseConfig) -> anyhow::Result<Open> {
    open(config, |config| {
        private::ensure(&config.data_dir, Durability::Full)
    })
    .await
}

/// The database named in the settings, or the private one if there is one already.
pub(super) async fn open_existing(config: &DatabaseConfig) -> anyhow::Result<Open> {
    open(config, |config| private::find(&config.data_dir)).await
}

async fn open(
    config: &DatabaseConfig,
    start: fn(&DatabaseConfig) -> anyhow::Result<Cluster>,
) -> anyhow::Result<Open> {
    if let Some(url) = config.database_url.as_deref().filter(|url| !url.is_empty()) {
        return Ok(Open {
            database: Database::new(url)?,
            url: url.to_owned(),
            private: None,
        });
    }
    let config = config.clone();
    let cluster = tokio::task::spawn_blocking(move || start(&config))
        .await
        .context("starting the private Postgres was interrupted")??;
    let url = cluster.url().to_owned();
    Ok(Open {
        database: Database::new(&url)?,
        url,
        private: Some(cluster),
    })
}

impl Open {
    pub(super) fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Stops using it; the last one to leave the private Postgres stops it.
    pub(super) async fn leave(self) -> anyhow::Result<()> {
        self.database.pool().close().await;
        let Some(cluster) = self.private else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || cluster.leave())
            .await
            .context("stopping the private Postgres was interrupted")?
    }

    /// Stops using it, but leaves a private Postgres running for whoever was told its URL.
    pub(super) async fn stay(self) {
        self.database.pool().close().await;
        if let Some(cluster) = self.private {
            cluster.stay();
        }
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
