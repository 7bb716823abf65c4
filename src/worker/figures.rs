//! What is counted of an attempt when it is over.

use super::held::{Claim, Fate};
use crate::queue::{Ending, Why};
use crate::telemetry::FIGURES;

/// Counts what became of a claim, before it is committed: one that turns out to be another worker's is counted here too.
pub(super) fn count(claim: &Claim, fate: &Fate) {
    let task = &claim.job.task;
    FIGURES.ran(task, claim.claimed.elapsed());
    // What was asked to end and has not succeeded, has.
    let is_cancelled = claim.cancelled.is_cancelled();
    match fate {
        Fate::Ended(Ending::Succeeded { .. }) => FIGURES.ended(task, "succeeded"),
        Fate::Ended(_) | Fate::PutBack(_) if is_cancelled => FIGURES.ended(task, "cancelled"),
        Fate::Ended(Ending::Failed { .. }) => FIGURES.ended(task, "failed"),
        Fate::PutBack(Why::Failed { .. }) => FIGURES.retried(task),
        Fate::PutBack(_) => FIGURES.went_back(task),
        // Counted by the gateway that is called back.
        Fate::Waits(_) => {}
    }
}
