//! `ringback worker`: claims jobs and runs them.

use clap::Args;

use super::database::{self, Open};
use super::serve::hearing;
use crate::config::{DatabaseConfig, FleetConfig, WorkerConfig};
use crate::shutdown::{Parts, Stop, on_signal};
use crate::sweeper;
use crate::task::Tasks;
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
}

impl Work {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let stop = Stop::new();
        let open = database::open_or_create(&self.database).await?;
        let worked = self.work(&open, stop).await;
        worked.and(open.leave().await)
    }

    async fn work(self, open: &Open, stop: Stop) -> anyhow::Result<()> {
        open.prepare(self.fleet.migrate).await?;
        let tasks = Tasks::demonstration(self.worker.delay_scale);
        let settings = settings(&self.worker, &self.fleet);
        let mut parts = Parts::default();
        parts.spawn("signal watch", on_signal(stop.clone()));
        parts.spawn(
            "sweeper",
            sweeper::run(open.database.clone(), self.fleet.keep_history, stop.clone()),
        );
        parts.spawn(
            "worker",
            worker::run(open.database.clone(), tasks, settings, stop.clone()),
        );
        parts.join(&stop).await
    }
}

pub(super) fn settings(worker: &WorkerConfig, fleet: &FleetConfig) -> worker::Settings {
    worker::Settings {
        concurrency: worker.concurrency,
        hearing: hearing(fleet),
        grace: fleet.shutdown_grace,
    }
}
