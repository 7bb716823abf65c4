//! Claims jobs ahead of the runtime, never more than there are free slots.

use std::borrow::Cow;
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
use crate::postgres::{Backoff, Fault, Link, STATEMENT_LIMIT};
use crate::queue::claim::{self, Claims, Commit, Want};
use crate::queue::tasks::{self, TaskRow};
use crate::queue::{Claimed, Cursor, limits};
use crate::shutdown::{Stop, sleep};
use crate::task::{Circuits, Reporter};
use crate::telemetry::FIGURES;

/// How long after a stop a claim on its way may still take.
const LATE: Duration = Duration::from_secs(5);

/// How long a database may take that claims for slots that it shares with others: a hanging one keeps some of them so long,
/// once, until it is known to hang.
const SHARED: Duration = Duration::from_secs(3);

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
        let all: Vec<String> = self.tasks.iter().map(|task| task.name.clone()).collect();
        loop {
            let were_free = self.slots.are_free();
            if stop.run_until_cancelled(self.lease.fresh()).await.is_none() {
                break;
            }
            let work = async {
                if !registered {
                    self.register().await?;
                    registered = true;
                    // It looks for work from now on: that its start took long does not mean that there is none.
                    self.idle.worked();
                }
                if doubtful {
                    self.give_back().await?;
                    doubtful = false;
                }
                // A database that is away, and one that is known to hang, is waited for with nobody's slots.
                self.link.ready().await?;
                let Some(slots) = stop.run_until_cancelled(self.slots.free()).await else {
                    return Ok(None);
                };
                if !were_free {
                    self.idle.worked();
                }
                let names = self.wanted(&all);
                if self.limits.swap(false, Ordering::Relaxed) {
                    let next = self.admit().await?;
                    room_at = next.map(|next| Instant::now() + next.max(LOOK_AGAIN));
                }
                let turn = self.slots.turn().await;
                let claims = self.claim(&names, slots.len()).await?;
                let paused = claims.paused || names.len() < all.len();
                Ok(Some((claims.jobs, paused, slots, turn)))
            };
            let Some(claimed) = until_late(work, &stop).await else {
                break;
            };
            match claimed {
                Ok(None) => break,
                Ok(Some((jobs, paused, slots, turn))) => {
                    backoff.reset();
                    let (found, width) = (jobs.len(), slots.len());
                    if found > 0 {
                        self.idle.worked();
                    }
                    self.hand_over(jobs, slots).await;
                    drop(turn);
                    let paused = paused.then(|| Instant::now() + PAUSED);
                    // All that was there: wait until somebody says that there is more.
                    if found < width && !self.rest(room_at, paused, &stop).await {
                        break;
                    }
                }
                Err(error) => {
                    doubtful = true;
                    self.limits.store(true, Ordering::Relaxed);
                    let delay = backoff.failed(&error, "could not claim jobs");
                    if !sleep(delay, &stop).await {
                        break;
                    }
                }
            }
        }
        self.link.close().await;
    }

    /// Those of its tasks whose jobs it claims: not those that it has paused, while others go on with them.
    ///
    /// Where nobody does, they are claimed and put off: what stays ready would be in the way of every claim.
    fn wanted<'a>(&self, all: &'a [String]) -> Cow<'a, [String]> {
        let left = self.circuits.left_to_others();
        if left.is_empty() {
            return Cow::Borrowed(all);
        }
        let wanted = all.iter().filter(|name| !left.contains(&name.as_str()));
        wanted.cloned().collect()
    }

    /// Waits until it is woken, a limit has room or a paused queue is to be looked at; not, when it is told to stop, or
    /// has had nothing to do for long enough.
    async fn rest(&self, room_at: Option<Instant>, paused: Option<Instant>, stop: &Stop) -> bool {
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

    /// How long the database may take while slots wait for it.
    fn limit(&self) -> Duration {
        if self.slots.are_shared() {
            SHARED
        } else {
            STATEMENT_LIMIT
        }
    }

    /// Lets held jobs through; answers after what time to look again, if there is one.
    async fn admit(&mut self) -> Result<Option<Duration>, sqlx::Error> {
        let limit = self.limit();
        let admitted = self
            .link
            .run_for(limit, async |connection| limits::admit(connection).await);
        match admitted.await {
            Err(error) if Fault::of(&error) != Fault::Away => {
                // Whatever is wrong with a limit, the jobs that have none go on.
                tracing::warn!(%error, "could not look at the limits, trying again");
                Ok(Some(TRY_AGAIN))
            }
            admitted => admitted,
        }
    }

    async fn register(&mut self) -> Result<(), sqlx::Error> {
        let (worker, tasks) = (Some(self.worker), &self.tasks);
        let registered = self
            .link
            .run(async |connection| tasks::register(connection, worker, tasks).await);
        registered.await
    }

    async fn claim(&mut self, names: &[String], width: usize) -> Result<Claims, sqlx::Error> {
        let mut want = Want::any(self.worker, names, width);
        want.widths = self.slots.widths();
        if self.tasks.iter().any(TaskRow::is_limited) {
            want.commit = Commit::Durable;
        }
        let cursor = &self.cursor;
        let limit = self.limit();
        let claims = self.link.run_for(limit, async |connection| {
            let asked = Instant::now();
            let claims = claim::claim(connection, cursor, &want).await?;
            Ok((claims, asked))
        });
        let (claims, asked) = claims.await?;
        FIGURES.claim.observe(asked.elapsed().as_secs_f64());
        if !claims.jobs.is_empty() {
            FIGURES.batch("claim", claims.jobs.len());
        }
        for of_one in claims.jobs.chunk_by(|one, other| one.queue == other.queue) {
            FIGURES.waited(&of_one[0].queue, of_one.iter().map(|job| job.waited));
        }
        Ok(claims)
    }

    /// Only we claim in this worker's name, one claim after the other: what is not held by now was lost on its way.
    async fn give_back(&mut self) -> Result<(), sqlx::Error> {
        let (worker, held, outcomes) = (self.worker, &self.held, &self.outcomes);
        let given_back = self.link.run(async |connection| {
            stranded::give_back(connection, worker, Duration::ZERO, held, outcomes).await
        });
        given_back.await
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
