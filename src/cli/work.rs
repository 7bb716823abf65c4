//! `ringback worker`: claims jobs and runs them.

use clap::Args;

use super::database::{self, Open};
use super::files;
use super::fleet;
use super::metrics;
use super::program::Asked;
use crate::config::{DatabaseConfig, FleetConfig, IdleConfig, TelemetryConfig, WorkerConfig};
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
        fleet::check(&self.fleet)?;
        let config = self.database.clone();
        database::until_stopped(&config, async |open, stop| {
            self.work(open, tasks, stop).await
        })
        .await
    }

    async fn work(self, open: &Open, tasks: Tasks, stop: Stop) -> anyhow::Result<()> {
        let prepare = open.prepare(self.fleet.migrate);
        let Some(prepared) = stop.run_until_cancelled(prepare).await else {
            return Ok(());
        };
        prepared?;
        files::allow_all();
        let settings = worker::Settings {
            until_idle: self.idle.until_idle,
            ..settings(&self.worker, &self.fleet)
        };
        let mut parts = fleet::parts(&open.database, &self.fleet, &stop);
        metrics::serve(&self.fleet, &open.database, &mut parts, &stop).await?;
        parts.spawn(
            "worker",
            worker::run(open.database.clone(), tasks, settings, stop.clone()),
        );
        parts.join(&stop).await
    }
}

pub(super) fn settings(worker: &WorkerConfig, config: &FleetConfig) -> worker::Settings {
    worker::Settings {
        concurrency: worker.concurrency,
        max_result: worker.max_result,
        queues: worker.queues.iter().cloned().collect(),
        public_url: worker.public_url.clone(),
        hearing: fleet::hearing(config),
        grace: config.shutdown_grace,
        until_idle: None,
    }
}
