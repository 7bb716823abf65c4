//! Notices to many sockets.

use clap::Args;

use super::{Gateway, size, tell, with_a_bar};
use crate::auth::ANONYMOUS;
use crate::bench::Progress;
use crate::bench::fanout::{Load, run};
use crate::cli::database::{Open, Private};
use crate::cli::exit::Exit;
use crate::cli::shards;
use crate::config::DatabaseConfig;

#[derive(Args, Debug)]
pub(super) struct Fanout {
    #[command(flatten)]
    gateway: Gateway,

    /// How many sockets
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many notices
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "NOTICES")]
    notices: u32,

    /// Sends all notices at once, in one transaction, and not each when everybody has heard the one before
    #[arg(long)]
    burst: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Fanout {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let load = Load {
            sockets: size(self.sockets),
            notices: size(self.notices),
            burst: self.burst,
        };
        shards::of(
            &self.database,
            Private::MustBeThere,
            ANONYMOUS,
            async |open: &Open| {
                let progress = Progress::default();
                let address = &self.gateway.gateway;
                let running = run(address, &open.database, &load, &progress);
                let messages = u64::from(self.sockets) * u64::from(self.notices);
                let found = with_a_bar(messages, &progress, running).await?;
                tell("fanout", &load, &found)?;
                if found.missing > 0 {
                    let text = "not every message came: see the figures";
                    return Err(Exit::NotDone(text.to_owned()).into());
                }
                Ok(())
            },
        )
        .await
    }
}
