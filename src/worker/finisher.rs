//! Commits what became of jobs, in natural batches: what arrives while one batch is being committed is the next.
//! No timer: one job alone waits for nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::ending::failed;
use super::held::{Fate, Held};
use super::lease::Lease;
use crate::ids::{ClaimId, JobId};
use crate::postgres::Link;
use crate::queue::{Answer, Ended, PutBack, Rows, Waits, Why, commit};
use crate::shutdown::Stop;
use crate::task::FollowUp;

/// The most outcomes in one batch.
const WIDEST: usize = 1_000;

/// How many jobs may follow those of one transaction,
const FOLLOWING: usize = 1_000;

/// and how many bytes these may be.
const FOLLOWING_BYTES: usize = 4 * 1024 * 1024;

/// The code of an outcome that the database refused.
const UNSTORABLE: &str = "outcome_unstorable";

/// The most reports in one statement: each may be a piece of text of 16 KiB.
const REPORTS: usize = 100;

/// What became of one claim.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job: JobId,
    pub(super) claim_id: ClaimId,
    pub(super) fate: Fate,
    /// After how long it would be tried again, where it has an attempt left.
    pub(super) spare: Option<Duration>,
}

/// What commits outcomes, and before them what their jobs have said.
#[derive(Debug)]
pub(super) struct Finisher {
    pub(super) link: Link,
    pub(super) outcomes: mpsc::Receiver<Outcome>,
    /// Woken when a running job says something.
    pub(super) told: Arc<Notify>,
    pub(super) lease: Lease,
    pub(super) held: Held,
}

impl Finisher {
    /// Commits until `last` is given and nothing is left, or `give_up` is given.
    pub(super) async fn run(mut self, last: Stop, give_up: Stop) {
        // Now, and not with the first outcome: by then others may have taken what connections there are.
        let _ = last.run_until_cancelled(self.link.connected()).await;
        let mut batch = Vec::new();
        // When there will be something to tell that is not due yet.
        let mut later = None;
        loop {
            tokio::select! {
                biased;
                received = self.outcomes.recv_many(&mut batch, WIDEST) => if received == 0 { break },
                () = self.told.notified() => {}
                () = until(later) => {}
                () = last.cancelled(), if !self.outcomes.is_closed() => {
                    self.outcomes.close();
                    continue;
                }
            }
            let commit = self.commit(&mut batch);
            match give_up.run_until_cancelled(commit).await {
                Some(next) => later = next,
                None => {
                    tracing::warn!(
                        "stopped before every outcome could be stored; those jobs will be run again"
                    );
                    return;
                }
            }
        }
        self.link.close().await;
    }

    /// Commits what has been said, and then the outcomes: a job's text is whole before the job is over. Answers when
    /// there will be more to tell.
    async fn commit(&mut self, batch: &mut Vec<Outcome>) -> Option<Instant> {
        self.lease.fresh().await;
        let (reports, later) = self.held.tell();
        for part in reports.chunks(REPORTS) {
            // What the database refuses of it was said to nobody, and is in its log.
            commit(&mut self.link, Rows::Reports(part), None).await;
        }
        if !batch.is_empty() {
            let claims: Vec<_> = batch
                .iter()
                .map(|outcome| (outcome.job, outcome.claim_id))
                .collect();
            commit_batch(&mut self.link, batch.drain(..)).await;
            self.held.remove_all(&claims);
        }
        later
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn commit_batch(link: &mut Link, outcomes: impl Iterator<Item = Outcome>) {
    let (mut ended, mut followed) = (Vec::new(), Vec::new());
    let (mut put_back, mut waits) = (Vec::new(), Vec::new());
    let mut spare = HashMap::new();
    for outcome in outcomes {
        let (id, claim_id) = (outcome.job, outcome.claim_id);
        match outcome.fate {
            Fate::Ended(ending) if ending.then().is_empty() => ended.push(Ended {
                id,
                claim_id,
                ending,
            }),
            Fate::Ended(ending) => {
                spare.extend(outcome.spare.map(|delay| (claim_id, delay)));
                followed.push(Ended {
                    id,
                    claim_id,
                    ending,
                });
            }
            Fate::PutBack(why) => put_back.push(PutBack { id, claim_id, why }),
            Fate::Waits(limit) => waits.push(Waits {
                id,
                claim_id,
                limit,
            }),
        }
    }
    let mut parts = vec![Rows::Ended(&ended)];
    parts.extend(bounded(&followed).into_iter().map(Rows::Ended));
    parts.extend([Rows::PutBack(&put_back), Rows::Waits(&waits)]);
    let (mut failures, mut again) = (Vec::new(), Vec::new());
    for part in parts {
        let answers = commit(link, part, None).await;
        for ((id, claim_id), answer) in part.claims().into_iter().zip(answers) {
            let Answer::Refused(refusal) = answer else {
                continue;
            };
            let error = format!("its outcome could not be stored: {refusal}");
            match spare.get(&claim_id) {
                // What it asks for may be possible later: its task may be known then.
                Some(&delay) => again.push(PutBack {
                    id,
                    claim_id,
                    why: Why::Failed {
                        code: UNSTORABLE.to_owned(),
                        error,
                        delay,
                    },
                }),
                None => failures.push(Ended {
                    id,
                    claim_id,
                    ending: failed(UNSTORABLE, &error),
                }),
            }
        }
    }
    for part in [Rows::Ended(&failures), Rows::PutBack(&again)] {
        for ((id, _), answer) in part
            .claims()
            .into_iter()
            .zip(commit(link, part, None).await)
        {
            if let Answer::Refused(refusal) = answer {
                // It is found by a later heartbeat, running and held by nobody, and goes back to its queue.
                tracing::error!(job.id = %id, ?refusal, "not even the failure of this job could be stored");
            }
        }
    }
}

/// Parts of them, of which none is too much for one transaction with all that follows.
fn bounded(jobs: &[Ended]) -> Vec<&[Ended]> {
    let mut parts = Vec::new();
    let (mut from, mut count, mut size) = (0, 0, 0);
    for (number, job) in jobs.iter().enumerate() {
        let then = job.ending.then();
        count += then.len();
        size += then.iter().map(FollowUp::size).sum::<usize>();
        if number > from && (count > FOLLOWING || size > FOLLOWING_BYTES) {
            parts.push(&jobs[from..number]);
            (from, count, size) = (number, then.len(), then.iter().map(FollowUp::size).sum());
        }
    }
    parts.push(&jobs[from..]);
    parts
}
