//! Commits what became of jobs, in natural batches: what arrives while one batch is being committed is the next.
//! No timer: one job alone waits for nobody.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::held::{Fate, Held};
use super::lease::Lease;
use crate::ids::{ClaimId, JobId};
use crate::postgres::Link;
use crate::queue::{Answer, Ended, Ending, PutBack, Refusal, Rows, Waits, commit};
use crate::shutdown::Stop;

/// The most outcomes in one batch.
const WIDEST: usize = 1_000;

/// The most reports in one statement: each may be a piece of text of 16 KiB.
const REPORTS: usize = 100;

/// What became of one claim.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job: JobId,
    pub(super) claim_id: ClaimId,
    pub(super) fate: Fate,
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
    let mut ended = Vec::new();
    let mut put_back = Vec::new();
    let mut waits = Vec::new();
    for Outcome {
        job,
        claim_id,
        fate,
    } in outcomes
    {
        match fate {
            Fate::Ended(ending) => ended.push(Ended {
                id: job,
                claim_id,
                ending,
            }),
            Fate::PutBack(why) => put_back.push(PutBack {
                id: job,
                claim_id,
                why,
            }),
            Fate::Waits(limit) => waits.push(Waits {
                id: job,
                claim_id,
                limit,
            }),
        }
    }
    let mut answers = commit(link, Rows::Ended(&ended), None).await;
    answers.extend(commit(link, Rows::PutBack(&put_back), None).await);
    answers.extend(commit(link, Rows::Waits(&waits), None).await);
    let ended = ended.iter().map(|job| (job.id, job.claim_id));
    let claims = ended
        .chain(put_back.iter().map(|job| (job.id, job.claim_id)))
        .chain(waits.iter().map(|job| (job.id, job.claim_id)));
    let failures: Vec<Ended> = claims
        .zip(answers)
        .filter_map(|((id, claim_id), answer)| match answer {
            Answer::Refused(refusal) => Some(failed(id, claim_id, &refusal)),
            Answer::Stored | Answer::Repeats { .. } => None,
        })
        .collect();
    for (job, answer) in failures
        .iter()
        .zip(commit(link, Rows::Ended(&failures), None).await)
    {
        if let Answer::Refused(refusal) = answer {
            // It is found by a later heartbeat, running and held by nobody, and goes back to its queue.
            tracing::error!(job.id = %job.id, ?refusal, "not even the failure of this job could be stored");
        }
    }
}

/// The end of a job whose outcome the database refused.
fn failed(id: JobId, claim_id: ClaimId, refusal: &Refusal) -> Ended {
    let cause = match refusal {
        Refusal::Data(error) => error
            .as_database_error()
            .map_or_else(|| error.to_string(), |e| e.message().to_owned()),
        Refusal::Locked => "somebody's transaction holds it".to_owned(),
        Refusal::Away { .. } => "the database was away".to_owned(),
    };
    let error = format!("its outcome could not be stored: {cause}");
    Ended {
        id,
        claim_id,
        ending: Ending::Failed {
            code: "outcome_unstorable".to_owned(),
            error,
        },
    }
}
