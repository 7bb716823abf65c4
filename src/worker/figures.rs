//! What is counted of an attempt when it is over, and said of it in its span.

use super::held::{Claim, Fate};
use crate::queue::{Ending, Why};
use crate::telemetry::FIGURES;

/// Counts what became of a claim, before it is committed: one that turns out to be another worker's is counted here too.
pub(super) fn count(claim: &Claim, fate: &Fate) {
    let task = &claim.job.task;
    FIGURES.ran(task, claim.claimed.elapsed());
    // What was asked to end and has not succeeded, has; unless it was the worker that let go of it, which asks the same.
    let is_cancelled = claim.cancelled.is_cancelled() && !claim.dropped.is_cancelled();
    let (outcome, code) = match fate {
        Fate::Ended(Ending::Succeeded { .. }) => {
            FIGURES.ended(task, "succeeded");
            ("succeeded", None)
        }
        Fate::Ended(_) | Fate::PutBack(_) if is_cancelled => {
            FIGURES.ended(task, "cancelled");
            ("cancelled", None)
        }
        Fate::Ended(Ending::Failed { code, .. }) => {
            FIGURES.ended(task, "failed");
            ("failed", Some(code.as_str()))
        }
        Fate::PutBack(Why::Failed { code, .. }) => {
            FIGURES.retried(task);
            ("failed", Some(code.as_str()))
        }
        Fate::PutBack(_) => {
            FIGURES.went_back(task);
            ("returned", None)
        }
        // Counted by the gateway that is called back.
        Fate::Waits(_) => ("waiting", None),
    };
    if let Some(run) = claim.run.get() {
        run.ended(outcome, code);
    }
}
