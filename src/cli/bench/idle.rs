//! Sockets that say nothing.

use anyhow::Context;
use clap::Args;

use super::{Gateway, size, tell, with_a_bar};
use crate::auth::ANONYMOUS;
use crate::bench::Progress;
use crate::bench::idle::{Load, run};
use crate::cli::database::{Open, Private};
use crate::cli::shards;
use crate::config::DatabaseConfig;
use crate::queue::fleet;

#[derive(Args, Debug)]
pub(super) struct Idle {
    #[command(flatten)]
    gateway: Gateway,

    /// How many sockets
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many of them are being opened at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    opening: u32,

    /// How many notices they hear before the memory is looked at again
    #[arg(long, default_value_t = 20, value_name = "NOTICES")]
    notices: u32,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Idle {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let load = Load {
            sockets: size(self.sockets),
            opening: size(self.opening),
            notices: size(self.notices),
        };
        shards::of(
            &self.database,
            Private::MustBeThere,
            ANONYMOUS,
            async |open: &Open| {
                let address = &self.gateway.gateway;
                let pid = open
                    .database
                    .run(async |connection| fleet::gateway_at(connection, address).await);
                let pid = pid
                    .await
                    .context("could not read which gateways there are")?
                    .with_context(|| format!("no gateway of this database serves {address}"))?;
                let progress = Progress::default();
                let running = run(address, pid, &open.database, &load, &progress);
                let found = with_a_bar(u64::from(self.sockets), &progress, running).await?;
                tell("idle", &load, &found)
            },
        )
        .await
    }
}
