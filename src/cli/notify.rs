//! `ringback notify`: sends a notice to everyone who is connected.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::database::{self, Open, Private};
use super::output::say;
use super::record::record;
use super::shards;
use crate::config::{DatabaseConfig, duration};
use crate::notice;
use crate::queue::{Deed, fleet};
use crate::shards::Shards;
use crate::wire::SYSTEM_GROUP;

/// Settings of `notify`.
#[derive(Args, Debug)]
pub(super) struct Notify {
    /// What to say
    message: String,

    /// How many times to send it
    #[arg(long, default_value_t = 1)]
    repeat: u32,

    /// How long to wait between two, in seconds
    #[arg(long, default_value_t = 1)]
    interval: u64,

    /// For how long it is kept for sessions that come back
    #[arg(long, env = "RINGBACK_KEEP_NOTICES", default_value = "1h", value_parser = duration, value_name = "TIME")]
    ttl: Duration,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Notify {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if self.message.contains('\0') {
            bail!("the message has a NUL character, which cannot be stored");
        }
        database::once(&self.database, Private::MustBeThere, async |shards| {
            self.send(shards).await
        })
        .await
    }

    /// Says what the command it began as said.
    async fn send(&self, shards: &Shards<Open>) -> anyhow::Result<()> {
        say(format!("Sending notification: {}", self.message))?;
        for sent in 1..=self.repeat {
            if self.repeat > 1 {
                say(format!("  Sending notification {sent}/{}...", self.repeat))?;
            }
            shards::in_turn(shards, async |open| self.store(open).await).await?;
            say("  ✅ Notification sent!")?;
            if sent < self.repeat {
                tokio::time::sleep(Duration::from_secs(self.interval)).await;
            }
        }
        say("\n✅ All notifications sent successfully!")?;
        // Each gateway is known to every shard that it has reached.
        let mut most = 0;
        for open in shards.iter() {
            let alive = open
                .database
                .run(async |connection| fleet::gateways_alive(connection).await);
            most = most.max(alive.await.context("could not count the gateways")?);
        }
        match most {
            0 => say("No gateway is alive: nobody is connected to hear it."),
            1 => say("1 gateway is alive."),
            alive => say(format!("{alive} gateways are alive.")),
        }
    }

    async fn store(&self, open: &Open) -> anyhow::Result<()> {
        open.check().await?;
        let (database, message) = (&open.database, &self.message);
        record(database, Deed::SendNotice, std::slice::from_ref(message)).await?;
        let stored = database.run(async |connection| {
            notice::send(connection, SYSTEM_GROUP, message, self.ttl).await
        });
        stored.await.context("could not store the notice")?;
        Ok(())
    }
}
