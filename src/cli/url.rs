//! `ringback url`: prints the URL of the database in use.

use clap::Args;

use super::database::{self, Private};
use crate::config::DatabaseConfig;

/// Settings of `url`.
#[derive(Args, Debug)]
pub(super) struct Url {
    #[command(flatten)]
    database: DatabaseConfig,
}

impl Url {
    #[expect(clippy::print_stdout, reason = "the URL is what was asked for")]
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let open = database::open(&self.database, Private::MustBeThere).await?;
        println!("{}", open.url);
        open.stay().await
    }
}
