//! Claims jobs ahead of the runtime, never more than there are free slots.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::finisher::Outcome;
use super::held::{Claim, Held};
use super::lease::Lease;
use super::stranded;
use crate::ids::WorkerId;
use crate::postgres::link::limited;
use crate::postgres::listener::{Listener, Wake};
use crate::postgres::{Backoff, Link};
use crate::queue::fleet::{self, TaskRow};
use crate::queue::{Claimed, Cursor, claim};
use crate::shutdown::{Stop, sleep};

/// How long after a stop a claim on its way may still take.
const LATE: Duration = Duration::from_secs(5);

/// The most jobs that one claim takes.
const WIDEST: usize = 500;

#[derive(Debug)]
pub(super) struct Claimer {
    pub(super) worker: WorkerId,
    pub(super) tasks: Vec<TaskRow>,
    pub(super) link: Link,
    pub(super) cursor: Arc<Mutex<Cursor>>,
    pub(super) wake: Arc<Notify>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) lease: Lease,
    pub(super) held: Held,
    pub(super) jobs: mpsc::Sender<Arc<Claim>>,
    pub(super) outcomes: mpsc::Sender<Outcome>,
}

impl Claimer {
    /// Claims until it is told to stop.
    pub(super) async fn run(mut self, stop: Stop) {
        let mut backoff = Backoff::new();
        let mut registered = false;
        // Whether a claim may have been made that was not heard of.
        let mut doubtful = false;
        let names: Vec<String> = self.tasks.iter().map(|task| task.name.clone()).collect();
        loop {
            let next = async {
                self.lease.fresh().await;
                free_slots(&self.slots).await
            };
            let Some(slots) = stop.run_until_cancelled(next).await else {
                break;
            };
            let width = slots.len();
            let work = async {
                if !registered {
                    self.register().await?;
                    registered = true;
                }
                if doubtful {
                    self.give_back().await?;
                }
                self.claim(&names, width).await
            };
            let Some(claimed) = until_late(work, &stop).await else {
                break;
            };
            self.link.settle(&claimed);
            match claimed {
                Ok(jobs) => {
                    backoff.reset();
                    doubtful = false;
                    let found = jobs.len();
                    self.hand_over(jobs, slots).await;
                    if found < width {
                        // All that was there: wait until somebody says that there is more.
                        let wake = Arc::clone(&self.wake);
                        if stop.run_until_cancelled(wake.notified()).await.is_none() {
                            break;
                        }
                    }
                }
                Err(error) => {
                    drop(slots);
                    doubtful = true;
                    let delay = backoff.delay();
                    tracing::warn!(%error, delay_ms = delay.as_millis(), "could not claim jobs, trying again");
                    if !sleep(delay, &stop).await {
                        break;
                    }
                }
            }
        }
        self.link.close().await;
    }

    async fn register(&mut self) -> Result<(), sqlx::Error> {
        limited(fleet::register(self.link.connected().await?, &self.tasks)).await
    }

    async fn claim(&mut self, tasks: &[String], width: usize) -> Result<Vec<Claimed>, sqlx::Error> {
        let connection = self.link.connected().await?;
        limited(claim::claim(
            connection,
            &self.cursor,
            self.worker,
            tasks,
            width,
        ))
        .await
    }

    /// Only we claim in this worker's name, one claim after the other: what is not held by now was lost on its way.
    async fn give_back(&mut self) -> Result<(), sqlx::Error> {
        let connection = self.link.connected().await?;
        let age = Duration::ZERO;
        limited(stranded::give_back(
            connection,
            self.worker,
            age,
            &self.held,
            &self.outcomes,
        ))
        .await
    }

    async fn hand_over(&self, jobs: Vec<Claimed>, slots: Vec<OwnedSemaphorePermit>) {
        for (job, slot) in jobs.into_iter().zip(slots) {
            let claim = Arc::new(Claim::new(job, slot));
            self.held.add(&claim);
            // The channel has a place for every slot, so this does not wait; it fails only when the runtime is gone,
            // and then the worker's silence gives the job to another.
            let _ = self.jobs.send(claim).await;
        }
    }
}

/// Does `work`, and not half of it when a stop is asked for: what was claimed must be answered for. Only a database that
/// does not answer is not waited for; what it may have claimed for us, our silence gives back.
async fn until_late<T>(work: impl Future<Output = T>, stop: &Stop) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async { stop.cancelled().await; tokio::time::sleep(LATE).await } => None,
    }
}

/// Waits for a free slot, and takes all that are free with it.
async fn free_slots(slots: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let first = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("the slots are never closed");
    let mut taken = vec![first];
    while taken.len() < WIDEST
        && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
    {
        taken.push(slot);
    }
    taken
}

/// Hears hints for the claimer until it is told to stop.
pub(super) async fn listen(
    mut listener: Listener,
    cursor: Arc<Mutex<Cursor>>,
    wake: Arc<Notify>,
    stop: Stop,
) {
    while let Some(heard) = stop.run_until_cancelled(listener.next()).await {
        {
            let mut cursor = cursor
                .lock()
                .expect("nobody panics while holding the cursor");
            match heard {
                Wake::Sweep => cursor.rewind(),
                Wake::Poll { .. } => {}
                Wake::Hint { payload, .. } => match payload
                    .split_once(' ')
                    .map(|(queue, rank)| (queue, rank.parse()))
                {
                    Some((queue, Ok(rank))) => cursor.look_at(queue, rank),
                    // A hint in words we do not know says at least that there is something.
                    _ => cursor.rewind(),
                },
            }
        }
        wake.notify_one();
    }
}
