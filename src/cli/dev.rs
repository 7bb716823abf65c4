//! `ringback dev`: everything in one process.

use anyhow::Context;
use clap::Args;

use super::database::{self, Open};
use super::fleet::{self, Fleet};
use super::program::Asked;
use super::{serve, work};
use crate::config::{DatabaseConfig, FleetConfig, GatewayConfig, TelemetryConfig, WorkerConfig};
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::task::{Environment, Tasks};
use crate::{gateway, worker};

/// Settings of `dev`.
#[derive(Args, Debug)]
pub(super) struct Dev {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    fleet: FleetConfig,
    #[command(flatten)]
    gateway: GatewayConfig,
    #[command(flatten)]
    worker: WorkerConfig,
}

impl Dev {
    /// What it tells of itself while it runs.
    pub(super) fn telemetry(&self) -> &TelemetryConfig {
        &self.fleet.telemetry
    }

    /// What there is to say when it asks for its tasks.
    pub(super) fn asked(&self) -> anyhow::Result<Asked> {
        Asked::new(
            &self.fleet.tasks,
            Environment::Ours,
            self.worker.delay_scale,
        )
    }

    pub(super) async fn run(self, tasks: Tasks) -> anyhow::Result<()> {
        let config = self.database.clone();
        fleet::check(&self.fleet, &config)?;
        let settings = serve::settings(&self.gateway, &self.fleet)?;
        database::until_stopped(&config, async |opened, stop| {
            // Boxed, since it is large, and made once.
            Box::pin(self.everything(opened, tasks, settings, stop)).await
        })
        .await
    }

    #[expect(clippy::print_stdout, reason = "the line that says where the page is")]
    async fn everything(
        self,
        opened: &Shards<Open>,
        tasks: Tasks,
        settings: gateway::Settings,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let started = Fleet::start(opened, &self.fleet, true, &stop).await?;
        let Some(mut fleet) = started else {
            return Ok(());
        };
        let listener = serve::bind(&self.gateway).await?;
        let address = listener
            .local_addr()
            .context("could not read the address that is listened on")?;
        let scheme = if settings.tls.is_some() {
            "https"
        } else {
            "http"
        };

        // The worker goes first and the gateway last, so that what is finished on the way out is still delivered.
        let worked = Stop::new();
        let work = {
            let mut settings = work::settings(&self.worker, &self.fleet);
            let ours = || format!("{scheme}://{address}");
            settings.public_url.get_or_insert_with(ours);
            let work = worker::run(fleet.shards.clone(), tasks.clone(), settings, stop.clone());
            // Given also when the worker dies, so that the gateway never waits in vain.
            let worked = worked.clone().drop_guard();
            async move {
                let result = work.await;
                drop(worked);
                result
            }
        };
        let serve = gateway::run(listener, fleet.shards.clone(), tasks, settings, worked);

        fleet.parts.spawn("worker", work);
        fleet.parts.spawn("gateway", serve);
        println!("Ringback is ready: {scheme}://{address}/system/ (Ctrl+C stops it)");
        fleet.join(&stop).await
    }
}
