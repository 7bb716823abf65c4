//! Claims jobs ahead of the runtime, never more than there are free slots.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::finisher::Outcome;
use super::held::{Claim, Held};
use super::idle::Idle;
use super::lease::Lease;
use super::slots::Slots;
use super::stranded;
use crate::ids::WorkerId;
use crate::postgres::link::limited;
use crate::postgres::{Advised, Backoff, Fault, Link};
use crate::queue::claim::{self, Claims, Commit, Want};
use crate::queue::tasks::{self, TaskRow};
use crate::queue::{Claimed, Cursor, limits};
use crate::shutdown::{Stop, sleep};
use crate::task::{Circuits, Reporter};
use crate::telemetry::FIGURES;

/// How long after a stop a claim on its way may still take.
const LATE: Duration = Duration::from_secs(5);

/// How soon limits are looked at again at the earliest, when nobody says that there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How soon limits are looked at again when they could not be.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How soon a queue or a task that is paused is looked at again, in case nobody says that it goes on.
const PAUSED: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Claimer {
    pub(super) worker: WorkerId,
    pub(super) tasks: Arc<[TaskRow]>,
    pub(super) circuits: Circuits,
    pub(super) link: Link,
    pub(super) cursor: Arc<Mutex<Cursor>>,
    pub(super) wake: Arc<Notify>,
    /// Whether a limit may have room: to be looked at before the next claim.
    pub(super) limits: Arc<AtomicBool>,
    pub(super) slots: Slots,
    pub(super) lease: Lease,
    pub(super) held: Held,
    /// Woken when a running job says something.
    pub(super) told: Arc<Notify>,
    pub(super) idle: Idle,
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
        // When a limit has room again, if that is known.
        let mut room_at = None;
        loop {
            let were_free = self.slots.are_free();
            let next = async {
                self.lease.fresh().await;
                self.slots.free().await
            };
            let Some(slots) = stop.run_until_cancelled(next).await else {
                break;
            };
            if !were_free {
                self.idle.worked();
            }
            let width = slots.len();
            let names = self.wanted();
            let work = async {
                if !registered {
                    self.register().await?;
                    registered = true;
                }
                if doubtful {
                    self.give_back().await?;
                }
                if self.limits.swap(false, Ordering::Relaxed) {
                    let next = self.admit().await?;
                    room_at = next.map(|next| Instant::now() + next.max(LOOK_AGAIN));
                }
                self.claim(&names, width).await
            };
            let Some(claimed) = until_late(work, &stop).await else {
                break;
            };
            self.link.settle(&claimed);
            match claimed {
                Ok(Claims { jobs, paused }) => {
                    backoff.reset();
                    doubtful = false;
                    let found = jobs.len();
                    if found > 0 {
                        self.idle.worked();
                    }
                    self.hand_over(jobs, slots).await;
                    let paused = paused || names.len() < self.tasks.len();
                    let paused = paused.then(|| Instant::now() + PAUSED);
                    // All that was there: wait until somebody says that there is more.
                    if found < width && !self.rest(room_at, paused, &stop).await {
                        break;
                    }
                }
                Err(error) => {
                    drop(slots);
                    doubtful = true;
                    self.limits.store(true, Ordering::Relaxed);
                    let delay = backoff.delay();
                    if backoff.tells() {
                        tracing::warn!(
                            error = %Advised(&error), delay_ms = delay.as_millis(),
                            "could not claim jobs, trying again"
                        );
                    }
                    if !sleep(delay, &stop).await {
                        break;
                    }
                }
            }
        }
        self.link.close().await;
    }

    /// The tasks whose jobs it claims: not those that it has paused, while others go on with them.
    ///
    /// Where nobody does, they are claimed and put off: what stays ready would be in the way of every claim.
    fn wanted(&self) -> Vec<String> {
        let names = self.tasks.iter().map(|task| &task.name);
        let wanted = names.filter(|name| !self.circuits.leaves_to_others(name));
        wanted.cloned().collect()
    }

    /// Waits until it is woken, a limit has room or a paused queue is to be looked at; not, when it is told to stop, or
    /// has had nothing to do for long enough.
    async fn rest(
        &mut self,
        room_at: Option<Instant>,
        paused: Option<Instant>,
        stop: &Stop,
    ) -> bool {
        let until = async |time: Option<Instant>| match time {
            Some(time) => tokio::time::sleep_until(time).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            () = self.wake.notified() => {}
            () = until(room_at) => self.limits.store(true, Ordering::Relaxed),
            () = until(paused) => {}
            () = self.idle.over(&self.held, &self.slots) => {
                tracing::info!(worker.id = %self.worker, "nothing to do: stopping");
                stop.cancel();
                return false;
            }
            () = stop.cancelled() => return false,
        }
        true
    }

    /// Lets held jobs through; answers after what time to look again, if there is one.
    async fn admit(&mut self) -> Result<Option<Duration>, sqlx::Error> {
        match limits::admit(self.link.connected().await?).await {
            Err(error) if Fault::of(&error) != Fault::Away => {
                // Whatever is wrong with a limit, the jobs that have none go on.
                tracing::warn!(%error, "could not look at the limits, trying again");
                Ok(Some(TRY_AGAIN))
            }
            admitted => admitted,
        }
    }

    async fn register(&mut self) -> Result<(), sqlx::Error> {
        let connection = self.link.connected().await?;
        limited(tasks::register(connection, Some(self.worker), &self.tasks)).await
    }

    async fn claim(&mut self, names: &[String], width: usize) -> Result<Claims, sqlx::Error> {
        let mut want = Want::any(self.worker, names, width);
        want.widths = self.slots.widths();
        if self.tasks.iter().any(TaskRow::is_limited) {
            want.commit = Commit::Durable;
        }
        let connection = self.link.connected().await?;
        let asked = Instant::now();
        let claims = limited(claim::claim(connection, &self.cursor, &want)).await?;
        FIGURES.claim.observe(asked.elapsed().as_secs_f64());
        if !claims.jobs.is_empty() {
            FIGURES.batch("claim", claims.jobs.len());
        }
        for job in &claims.jobs {
            FIGURES.waited(&job.queue, job.waited);
        }
        Ok(claims)
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

    async fn hand_over(&self, jobs: Vec<Claimed>, places: Vec<OwnedSemaphorePermit>) {
        for (job, place) in jobs.into_iter().zip(places) {
            let slot = self.slots.take(place, &job.queue);
            let reporter = Reporter::new(Arc::clone(&self.told));
            let claim = Arc::new(Claim::new(job, slot, reporter));
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
