//! `ringback migrate`: brings the database's schema up to date.

use clap::Args;

use super::database;
use crate::config::DatabaseConfig;

/// Settings of `migrate`.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let open = database::open_or_create(&self.database).await?;
        let migrated = open.database.migrate().await;
        if migrated.is_ok() {
            tracing::info!("the schema of {} is up to date", open.database.name());
        }
        migrated.and(open.leave().await)
    }
}
