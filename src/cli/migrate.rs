//! `ringback migrate`: brings the database's schema up to date.

use clap::Args;

use super::database::Private;
use super::prepare::Preparation;
use super::shards;
use crate::config::DatabaseConfig;

/// Settings of `migrate`.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        shards::each(&self.database, Private::MayBeMade, async |open| {
            Preparation::of(open, true, None).run().await?;
            tracing::info!("the schema of {} is up to date", open.database.name());
            Ok(())
        })
        .await
    }
}
