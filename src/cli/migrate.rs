//! `ringback migrate`: brings the database's schema up to date.

use clap::Args;

use super::database::{self, Private};
use crate::config::DatabaseConfig;

/// Settings of `migrate`.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        database::once(&self.database, Private::MayBeMade, async |open| {
            open.prepare(true).await?;
            tracing::info!("the schema of {} is up to date", open.database.name());
            Ok(())
        })
        .await
    }
}
