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
use crate::postgres::{Backoff, Database, Link};
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
    /// Given when it claims nothing more.
    pub(super) stop: Stop,
}

impl Heartbeat {
    /// Starts the thread. It ends after `silence` is given, when the worker holds nothing any more, having said so.
    pub(super) fn start(
        self,
        database: &Database,
        silence: Stop,
    ) -> std::io::Result<JoinHandle<()>> {
        let link = database.link("heartbeat");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || runtime.block_on(self.run(link, silence)))
    }

    async fn run(self, mut link: Link, silence: Stop) {
        let worker = self.worker.id;
        let mut backoff = Backoff::new();
        let mut beats: u32 = 0;
        loop {
            let sent = Instant::now();
            let stopping = self.stop.is_cancelled();
            let pause = match self.beat(&mut link, stopping).await {
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
                    backoff.failed(&error, format_args!("worker {worker} could not beat"))
                }
            };
            tokio::select! {
                go_on = sleep(pause, &silence) => if !go_on { break },
                // Heard at once, so that nobody leaves a job to it.
                () = self.stop.cancelled(), if !stopping => {}
            }
        }
        // Otherwise its silence will say the same.
        if link
            .run_for(LIMIT, async |connection| {
                fleet::worker_left(connection, worker).await
            })
            .await
            .is_ok()
        {
            link.close().await;
        }
    }

    async fn beat(&self, link: &mut Link, stopping: bool) -> Result<(), sqlx::Error> {
        let claims = self.held.list();
        let paused = self.circuits.open();
        let beat = link.run_for(LIMIT, async |connection| {
            fleet::beat(connection, &self.worker, stopping, &claims, &paused).await
        });
        for (job, claim_id) in beat.await? {
            self.held.drop_one(job, claim_id);
        }
        let mut elsewhere = Vec::new();
        if !paused.is_empty() {
            let tasks: Vec<String> = paused.into_iter().map(|open| open.task).collect();
            let asked = link.run_for(LIMIT, async |connection| {
                fleet::run_elsewhere(connection, self.worker.id, &tasks).await
            });
            elsewhere = asked.await?;
        }
        self.circuits.run_elsewhere(elsewhere);
        Ok(())
    }

    /// Gives back the claims that were made in its name without its hearing of them.
    async fn give_back(&self, link: &mut Link) {
        let worker = self.worker.id;
        // What it cannot look for now is found the next time.
        let _ = link
            .run_for(LIMIT, async |connection| {
                stranded::give_back(connection, worker, STRANDED, &self.held, &self.outcomes).await
            })
            .await;
    }

    /// Says again what its tasks are, where whoever has said it last is gone or was there before.
    async fn register_again(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        link.run_for(LIMIT, async |connection| {
            let WorkerRow { id, tasks, .. } = &self.worker;
            let names = tasks::to_register(&mut *connection, *id, tasks).await?;
            if names.is_empty() {
                return Ok(());
            }
            let own = self.tasks.iter();
            let own = own.filter(|task| names.contains(&task.name)).cloned();
            tasks::register(connection, Some(*id), &own.collect::<Vec<_>>()).await
        })
        .await
    }
}
