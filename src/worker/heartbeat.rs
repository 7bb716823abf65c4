//! Says that this worker lives, on a thread, a runtime and a connection of its own: task code that blocks the others
//! cannot stop it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::finisher::Outcome;
use super::held::Held;
use super::lease::Lease;
use super::stranded;
use crate::postgres::link::limited_to;
use crate::postgres::{Advised, Backoff, Database, Link};
use crate::queue::fleet::{self, WorkerRow};
use crate::queue::tasks::{self, TaskRow};
use crate::shutdown::{Stop, sleep};
use crate::task::Circuits;

const EVERY: Duration = Duration::from_secs(5);

/// A beat that takes longer than this is given up and tried on a new connection.
const LIMIT: Duration = Duration::from_secs(4);

/// How often it looks for claims that the tables have and this worker does not hold: one in this many beats.
const LOOK_EVERY: u32 = 12;

/// How old such a claim must be: a younger one may be on its way to us.
const STRANDED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Heartbeat {
    pub(super) worker: WorkerRow,
    pub(super) tasks: Arc<[TaskRow]>,
    pub(super) circuits: Circuits,
    pub(super) held: Held,
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) lease: Lease,
}

impl Heartbeat {
    /// Starts the thread. It ends after `stop` is given, when the worker holds nothing any more, having said so.
    pub(super) fn start(self, database: &Database, stop: Stop) -> std::io::Result<JoinHandle<()>> {
        let link = database.link("heartbeat");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || runtime.block_on(self.run(link, stop)))
    }

    async fn run(self, mut link: Link, stop: Stop) {
        let worker = self.worker.id;
        let mut backoff = Backoff::new();
        let mut beats: u32 = 0;
        loop {
            let sent = Instant::now();
            let pause = match self.beat(&mut link).await {
                Ok(()) => {
                    self.lease.renew(sent);
                    backoff.reset();
                    beats = beats.wrapping_add(1);
                    if beats.is_multiple_of(LOOK_EVERY) {
                        self.give_back(&mut link).await;
                    }
                    if let Err(error) = self.register_again(&mut link).await {
                        tracing::warn!(worker.id = %worker, %error, "could not look at who has registered the tasks");
                    }
                    EVERY
                }
                Err(error) => {
                    let delay = backoff.delay();
                    if backoff.tells() {
                        tracing::warn!(
                            worker.id = %worker, error = %Advised(&error), "could not beat, trying again"
                        );
                    }
                    delay
                }
            };
            if !sleep(pause, &stop).await {
                break;
            }
        }
        let left = async { fleet::worker_left(link.connected().await?, worker).await };
        // Otherwise its silence will say the same.
        if limited_to(LIMIT, left).await.is_ok() {
            link.close().await;
        }
    }

    async fn beat(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        let claims = self.held.list();
        let paused = self.circuits.open();
        let beat =
            async { fleet::beat(link.connected().await?, &self.worker, &claims, &paused).await };
        let result = limited_to(LIMIT, beat).await;
        link.settle(&result);
        for (job, claim_id) in result? {
            self.held.drop_one(job, claim_id);
        }
        if !paused.is_empty() {
            let tasks: Vec<String> = paused.into_iter().map(|open| open.task).collect();
            let look = async {
                fleet::run_elsewhere(link.connected().await?, self.worker.id, &tasks).await
            };
            let elsewhere = limited_to(LIMIT, look).await;
            link.settle(&elsewhere);
            self.circuits.run_elsewhere(&elsewhere?);
        }
        Ok(())
    }

    /// Gives back the claims that were made in its name without its hearing of them.
    async fn give_back(&self, link: &mut Link) {
        let look = async {
            let connection = link.connected().await?;
            let worker = self.worker.id;
            stranded::give_back(connection, worker, STRANDED, &self.held, &self.outcomes).await
        };
        let looked = limited_to(LIMIT, look).await;
        link.settle(&looked);
    }

    /// Says again what its tasks are, where whoever has said it last is gone or was there before.
    async fn register_again(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        let again = async {
            let connection = link.connected().await?;
            let WorkerRow { id, tasks, .. } = &self.worker;
            let names = tasks::to_register(&mut *connection, *id, tasks).await?;
            if names.is_empty() {
                return Ok(());
            }
            let own = self.tasks.iter();
            let own = own.filter(|task| names.contains(&task.name)).cloned();
            tasks::register(connection, Some(*id), &own.collect::<Vec<_>>()).await
        };
        let again = limited_to(LIMIT, again).await;
        link.settle(&again);
        again
    }
}
