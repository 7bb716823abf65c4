//! `ringback url`: prints the URL of the database in use.

use clap::Args;

use super::database::{self, Open, Private};
use super::output::say;
use crate::config::DatabaseConfig;
use crate::shards::Shards;
use crate::shutdown;

/// Settings of `url`.
#[derive(Args, Debug)]
pub(super) struct Url {
    /// Of several shards, only that of this owner
    #[arg(long, value_name = "NAME", conflicts_with = "shard")]
    owner: Option<String>,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Url {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signal()?;
        let opened = database::open(&self.database, Private::MustBeThere, &stop).await?;
        let mut done = self.say(&opened);
        for open in opened.into_each() {
            done = done.and(open.stay().await);
        }
        done
    }

    fn say(&self, opened: &Shards<Open>) -> anyhow::Result<()> {
        if let Some(owner) = &self.owner {
            return say(&opened.of(owner).url);
        }
        opened.iter().try_for_each(|open| say(&open.url))
    }
}
