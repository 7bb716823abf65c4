//! `ringback url`: prints the URL of the database in use.

use clap::Args;

use super::database::{self, Private};
use super::output::say;
use crate::config::DatabaseConfig;
use crate::shutdown;

/// Settings of `url`.
#[derive(Args, Debug)]
pub(super) struct Url {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Url {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signal()?;
        let open = database::open(&self.database, Private::MustBeThere, &stop).await?;
        let said = say(&open.url);
        said.and(open.stay().await)
    }
}
