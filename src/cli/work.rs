//! `ringback worker`: claims jobs and runs them.

use clap::Args;

use super::database::{self, Open};
use super::files;
use super::fleet::{self, Fleet};
use super::program::Asked;
use crate::config::{DatabaseConfig, FleetConfig, IdleConfig, TelemetryConfig, WorkerConfig};
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::task::{Environment, Tasks};
use crate::worker;

/// Settings of `worker`.
#[derive(Args, Debug)]
pub(super) struct Work {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    fleet: FleetConfig,
    #[command(flatten)]
    worker: WorkerConfig,
    #[command(flatten)]
    idle: IdleConfig,
}

impl Work {
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
        database::until_stopped(&config, async |opened, stop| {
            self.work(opened, tasks, stop).await
        })
        .await
    }

    async fn work(self, opened: &Shards<Open>, tasks: Tasks, stop: Stop) -> anyhow::Result<()> {
        let migrate = self.fleet.migrate;
        let started = Fleet::start(opened, &self.fleet, migrate, &stop).await?;
        let Some(mut fleet) = started else {
            return Ok(());
        };
        files::allow_all();
        let settings = worker::Settings {
            until_idle: self.idle.until_idle,
            ..settings(&self.worker, &self.fleet)
        };
        let working = worker::run(fleet.shards.clone(), tasks, settings, stop.clone());
        fleet.parts.spawn("worker", working);
        fleet.join(&stop).await
    }
}

pub(super) fn settings(worker: &WorkerConfig, config: &FleetConfig) -> worker::Settings {
    worker::Settings {
        concurrency: worker.concurrency,
        max_result: worker.max_result,
        queues: worker.queues.iter().cloned().collect(),
        public_url: worker.public_url.clone(),
        hearing: fleet::hearing(config.poll_only),
        grace: config.shutdown_grace,
        until_idle: None,
    }
}
