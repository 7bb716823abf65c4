//! The jobs that this worker holds.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::slots::Slot;
use super::telling::Telling;
use crate::ids::{ClaimId, JobId};
use crate::queue::{Claimed, Report, Why};
use crate::task::{FollowUps, Reporter};
use crate::telemetry::{FIGURES, Run, Traceparent};

/// A job that this worker holds, with one of its slots, until its outcome is handed to the finisher.
#[derive(Debug)]
pub struct Claim {
    /// The job as it was claimed.
    pub job: Claimed,
    /// Given when the execution is to be dropped.
    pub(super) dropped: CancellationToken,
    /// Given when somebody has asked for the job to end.
    pub(super) cancelled: CancellationToken,
    /// What its task says while it runs.
    pub(super) reporter: Reporter,
    /// The jobs that it asks for.
    pub(super) follow_ups: FollowUps,
    /// The attempt, once it has begun.
    pub(super) run: OnceLock<Run>,
    /// When it came here.
    pub(super) claimed: Instant,
    _slot: Slot,
}

impl Claim {
    pub(super) fn new(job: Claimed, slot: Slot, reporter: Reporter) -> Self {
        FIGURES.running.inc();
        Self {
            job,
            dropped: CancellationToken::new(),
            cancelled: CancellationToken::new(),
            reporter,
            follow_ups: FollowUps::default(),
            run: OnceLock::new(),
            claimed: Instant::now(),
            _slot: slot,
        }
    }

    /// Begins its attempt.
    pub(super) fn begin(&self) -> &Run {
        let job = &self.job;
        let parent = job.traceparent.as_ref();
        let begin = || Run::begin(job.id, &job.task, &job.queue, job.attempt, parent);
        self.run.get_or_init(begin)
    }

    /// The trace that its attempt is a part of, for whatever the task calls.
    pub(super) fn traceparent(&self) -> Option<Traceparent> {
        let run = self.run.get().and_then(Run::traceparent);
        run.or_else(|| self.job.traceparent.clone())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        FIGURES.running.dec();
    }
}

/// All claims of a worker whose outcome is not yet committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    all: Arc<Mutex<All>>,
}

#[derive(Debug, Default)]
struct All {
    claims: HashMap<JobId, Entry>,
    /// Jobs that are to end and are not here yet: their claim is committed, and its answer is on its way.
    early: VecDeque<JobId>,
}

/// How many jobs that are not here are remembered: those of one claim, and some.
const EARLY: usize = 1_000;

#[derive(Debug)]
struct Entry {
    claim_id: ClaimId,
    dropped: CancellationToken,
    cancelled: CancellationToken,
    telling: Telling,
    /// Whether its outcome is with the finisher: nothing is left to be dropped.
    answered: bool,
}

impl Held {
    pub(super) fn add(&self, claim: &Claim) {
        let entry = Entry {
            claim_id: claim.job.claim_id,
            dropped: claim.dropped.clone(),
            cancelled: claim.cancelled.clone(),
            telling: Telling::new(claim),
            answered: false,
        };
        let mut all = self.lock();
        if all.early.contains(&claim.job.id) {
            all.early.retain(|job| *job != claim.job.id);
            claim.cancelled.cancel();
        }
        // It may be here already, under a claim that is over: whoever it calls has said so before it has answered.
        if let Some(earlier) = all.claims.insert(claim.job.id, entry) {
            earlier.dropped.cancel();
            earlier.telling.end();
        }
    }

    /// Its outcome is with the finisher.
    pub(super) fn answered(&self, job: JobId, claim_id: ClaimId) {
        if let Some(entry) = self.lock().claims.get_mut(&job)
            && entry.claim_id == claim_id
        {
            entry.answered = true;
        }
    }

    /// Their outcomes are committed, or never will be.
    pub(super) fn remove_all(&self, done: &[(JobId, ClaimId)]) {
        let claims = &mut self.lock().claims;
        for (job, claim_id) in done {
            if claims
                .get(job)
                .is_some_and(|entry| entry.claim_id == *claim_id)
                && let Some(entry) = claims.remove(job)
            {
                entry.telling.end();
            }
        }
    }

    pub(super) fn list(&self) -> Vec<(JobId, ClaimId)> {
        let all = self.lock();
        let claims = all.claims.iter();
        claims.map(|(job, entry)| (*job, entry.claim_id)).collect()
    }

    /// Drops the execution of a claim that is no longer ours.
    pub(super) fn drop_one(&self, job: JobId, claim_id: ClaimId) {
        let all = self.lock();
        if let Some(entry) = all
            .claims
            .get(&job)
            .filter(|entry| entry.claim_id == claim_id && !entry.answered)
        {
            tracing::warn!(job.id = %job, "this job is over, or was given to another worker; its execution here is dropped");
            entry.dropped.cancel();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().claims.is_empty()
    }

    /// Asks the execution of a job to end.
    pub(super) fn cancel(&self, job: JobId) {
        let mut all = self.lock();
        if let Some(entry) = all.claims.get(&job) {
            entry.cancelled.cancel();
            return;
        }
        all.early.push_back(job);
        if all.early.len() > EARLY {
            all.early.pop_front();
        }
    }

    /// Takes what is to be told of all of them, and says when there may be more that is not due yet.
    pub(super) fn tell(&self) -> (Vec<Report>, Option<Instant>) {
        let now = Instant::now();
        let mut reports = Vec::new();
        let mut later = None;
        for entry in self.lock().claims.values_mut() {
            let next = entry.telling.tell(now, entry.answered, &mut reports);
            later = later.into_iter().chain(next).min();
        }
        (reports, later)
    }

    /// Drops every execution: the time to finish is over. The jobs go back to their queue.
    pub(super) fn drop_all(&self) {
        self.lock()
            .claims
            .values()
            .for_each(|entry| entry.dropped.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all
            .lock()
            .expect("nobody panics while holding the list of claims")
    }
}

/// What became of a claim.
#[derive(Debug)]
pub(super) enum Fate {
    /// The job is over.
    Ended(crate::queue::Ending),
    /// The job goes back to its queue.
    PutBack(Why),
    /// The job waits to be called back, so long at most.
    Waits(Duration),
}
