//! One execution of one job: on a task of its own, so that a panic ends it and nothing else.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::held::Claim;
use crate::queue::{Ending, Why};
use crate::task::{Again, Context, TaskError, Tasks, backoff};

use super::held::Fate;

/// How an execution ended without a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The task said so.
    #[error("{0}")]
    Task(#[from] TaskError),
    /// The task panicked.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// No such task here.
    #[error("no task is called {0}")]
    Unknown(String),
    /// The runtime dropped it, because it was ending.
    #[error("the execution was dropped")]
    Dropped,
}

/// Runs the task of `claim` on `input`.
pub(super) async fn run(tasks: &Tasks, claim: &Claim, input: Value) -> Result<Value, Failed> {
    let Some(task) = tasks.get(&claim.job.task).cloned() else {
        return Err(Failed::Unknown(claim.job.task.clone()));
    };
    let context = Context {
        job: claim.job.id,
        attempt: claim.job.attempt,
    };
    let span = tracing::info_span!("job", job.id = %claim.job.id, task.name = task.name, job.attempt = claim.job.attempt);
    // A set of one: dropping it drops the execution.
    let mut execution = JoinSet::new();
    execution.spawn(async move { task.run(input, context).await }.instrument(span));
    match execution.join_next().await {
        Some(Ok(result)) => Ok(result?),
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => Err(Failed::Panicked(spoken(&panic))),
            Err(_) => Err(Failed::Dropped),
        },
        None => Err(Failed::Dropped),
    }
}

/// What a panic said.
fn spoken(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}

/// What becomes of a job whose execution failed.
pub(super) fn fate_of(
    claim: &Arc<Claim>,
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Fate {
    let (code, again) = match error.downcast_ref::<Failed>() {
        Some(Failed::Dropped) => return Fate::PutBack(Why::Interrupted),
        Some(Failed::Task(error)) => ("task_failed", error.again),
        Some(Failed::Panicked(_)) => ("task_panicked", Again::Backoff),
        Some(Failed::Unknown(_)) => ("task_unknown", Again::Never),
        None => ("task_failed", apalis_wish(error)),
    };
    let failures = claim.job.failures.saturating_add(1);
    let code = code.to_owned();
    let error = error.to_string();
    let delay = match again {
        Again::Backoff => backoff(failures),
        Again::After(delay) => delay,
        Again::Never => return Fate::Ended(Ending::Failed { code, error }),
    };
    if failures >= claim.job.max_attempts {
        return Fate::Ended(Ending::Failed { code, error });
    }
    Fate::PutBack(Why::Failed { code, error, delay })
}

/// What a task of an ordinary apalis program asks for, in apalis' own types.
fn apalis_wish(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Again {
    if error.is::<apalis_core::error::AbortError>() {
        Again::Never
    } else if let Some(error) = error.downcast_ref::<apalis_core::error::RetryAfterError>() {
        Again::After(error.get_duration())
    } else {
        Again::Backoff
    }
}
