//! The jobs that this worker holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::ids::{ClaimId, JobId};
use crate::queue::{Claimed, Why};

/// A job that this worker holds, with one of its slots, until its outcome is handed to the finisher.
#[derive(Debug)]
pub struct Claim {
    /// The job as it was claimed.
    pub job: Claimed,
    /// Given when the execution is to be dropped.
    pub(super) dropped: CancellationToken,
    _slot: OwnedSemaphorePermit,
}

impl Claim {
    pub(super) fn new(job: Claimed, slot: OwnedSemaphorePermit) -> Self {
        Self {
            job,
            dropped: CancellationToken::new(),
            _slot: slot,
        }
    }
}

/// All claims of a worker whose outcome is not yet committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    claims: Arc<Mutex<HashMap<JobId, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    claim_id: ClaimId,
    dropped: CancellationToken,
    /// Whether its outcome is with the finisher: nothing is left to be dropped.
    answered: bool,
}

impl Held {
    pub(super) fn add(&self, claim: &Claim) {
        let entry = Entry {
            claim_id: claim.job.claim_id,
            dropped: claim.dropped.clone(),
            answered: false,
        };
        self.lock().insert(claim.job.id, entry);
    }

    /// Its outcome is with the finisher.
    pub(super) fn answered(&self, job: JobId, claim_id: ClaimId) {
        if let Some(entry) = self.lock().get_mut(&job)
            && entry.claim_id == claim_id
        {
            entry.answered = true;
        }
    }

    /// Their outcomes are committed, or never will be.
    pub(super) fn remove_all(&self, done: &[(JobId, ClaimId)]) {
        let mut claims = self.lock();
        for (job, claim_id) in done {
            if claims
                .get(job)
                .is_some_and(|entry| entry.claim_id == *claim_id)
            {
                claims.remove(job);
            }
        }
    }

    pub(super) fn list(&self) -> Vec<(JobId, ClaimId)> {
        self.lock()
            .iter()
            .map(|(job, entry)| (*job, entry.claim_id))
            .collect()
    }

    /// Drops the execution of a claim that is no longer ours.
    pub(super) fn drop_one(&self, job: JobId, claim_id: ClaimId) {
        let claims = self.lock();
        if let Some(entry) = claims
            .get(&job)
            .filter(|entry| entry.claim_id == claim_id && !entry.answered)
        {
            tracing::warn!(job.id = %job, "this job was given to another worker; its execution here is dropped");
            entry.dropped.cancel();
        }
    }

    /// Drops every execution: the time to finish is over. The jobs go back to their queue.
    pub(super) fn drop_all(&self) {
        self.lock()
            .values()
            .for_each(|entry| entry.dropped.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.claims
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
}
