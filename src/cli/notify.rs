//! `ringback notify`: sends a notice to everyone who is connected.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::database::{self, Open, Private};
use super::output::say;
use super::record::record;
use crate::config::{DatabaseConfig, duration};
use crate::notice;
use crate::postgres::link::limited;
use crate::queue::{Deed, fleet};
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
        let config = self.database.clone();
        database::once(&config, Private::MustBeThere, async |open| {
            self.send(open).await
        })
        .await
    }

    /// Says what the command it began as said.
    async fn send(self, open: &Open) -> anyhow::Result<()> {
        open.database.check_schema().await?;
        let message = &self.message;
        say(format!("Sending notification: {message}"))?;
        let mut link = open.database.link("notify");
        for sent in 1..=self.repeat {
            if self.repeat > 1 {
                say(format!("  Sending notification {sent}/{}...", self.repeat))?;
            }
            let connection = link
                .connected()
                .await
                .context("could not reach the database")?;
            record(connection, Deed::SendNotice, std::slice::from_ref(message)).await?;
            limited(notice::send(connection, SYSTEM_GROUP, message, self.ttl))
                .await
                .context("could not store the notice")?;
            say("  ✅ Notification sent!")?;
            if sent < self.repeat {
                tokio::time::sleep(Duration::from_secs(self.interval)).await;
            }
        }
        say("\n✅ All notifications sent successfully!")?;
        let alive = fleet::gateways_alive(open.database.pool())
            .await
            .context("could not count the gateways")?;
        match alive {
            0 => say("No gateway is alive: nobody is connected to hear it.")?,
            1 => say("1 gateway is alive.")?,
            alive => say(format!("{alive} gateways are alive."))?,
        }
        link.close().await;
        Ok(())
    }
}
