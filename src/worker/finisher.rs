//! Commits what became of jobs, in natural batches: what arrives while one batch is being committed is the next.
//! No timer: one job alone waits for nobody.

use tokio::sync::mpsc;

use super::held::{Fate, Held};
use super::lease::Lease;
use crate::ids::{ClaimId, JobId};
use crate::postgres::Link;
use crate::queue::{Answer, Ended, Ending, PutBack, Refusal, Rows, commit};
use crate::shutdown::Stop;

/// The most outcomes in one batch.
const WIDEST: usize = 1_000;

/// What became of one claim.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job: JobId,
    pub(super) claim_id: ClaimId,
    pub(super) fate: Fate,
}

/// Commits outcomes until `last` is given and none is left, or `give_up` is given.
pub(super) async fn run(
    mut outcomes: mpsc::Receiver<Outcome>,
    mut link: Link,
    lease: Lease,
    held: Held,
    last: Stop,
    give_up: Stop,
) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            received = outcomes.recv_many(&mut batch, WIDEST) => if received == 0 { break },
            () = last.cancelled(), if !outcomes.is_closed() => {
                outcomes.close();
                continue;
            }
        }
        let commit = async {
            lease.fresh().await;
            let claims: Vec<_> = batch
                .iter()
                .map(|outcome| (outcome.job, outcome.claim_id))
                .collect();
            commit_batch(&mut link, batch.drain(..)).await;
            held.remove_all(&claims);
        };
        if give_up.run_until_cancelled(commit).await.is_none() {
            tracing::warn!(
                "stopped before every outcome could be stored; those jobs will be run again"
            );
            return;
        }
    }
    link.close().await;
}

async fn commit_batch(link: &mut Link, outcomes: impl Iterator<Item = Outcome>) {
    let mut ended = Vec::new();
    let mut put_back = Vec::new();
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
        }
    }
    let mut answers = commit(link, Rows::Ended(&ended), None).await;
    answers.extend(commit(link, Rows::PutBack(&put_back), None).await);
    let ended = ended.iter().map(|job| (job.id, job.claim_id));
    let claims = ended.chain(put_back.iter().map(|job| (job.id, job.claim_id)));
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
