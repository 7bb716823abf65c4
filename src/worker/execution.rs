//! One execution of one job: on a task of its own, so that a panic ends it and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::callbacks::Callbacks;
use super::ending::failed;
use super::held::{Claim, Fate};
use crate::queue::Why;
use crate::task::{Again, Context, Kind, RetryDelay, TaskError, Tasks, shortened};

/// An execution that ended without a result.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Failure {
    why: Failed,
    retry_delay: RetryDelay,
}

/// How.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The task said so.
    #[error("{0}")]
    Task(#[from] TaskError),
    /// The task panicked.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// The task took longer than it may.
    #[error("the task took longer than {limit:?}{said}")]
    TimedOut {
        limit: Duration,
        /// What it has said of its end.
        said: String,
    },
    /// No such task here.
    #[error("no task is called {0}")]
    Unknown(String),
    /// The runtime dropped it, because it was ending.
    #[error("the execution was dropped")]
    Dropped,
}

/// Runs the task of `claim` on `input`.
pub(super) async fn run(
    tasks: &Tasks,
    callbacks: Option<&Callbacks>,
    claim: &Arc<Claim>,
    input: Value,
) -> Result<Value, Failure> {
    let Some(task) = tasks.get(&claim.job.task).cloned() else {
        let why = Failed::Unknown(claim.job.task.clone());
        let retry_delay = RetryDelay::default();
        return Err(Failure { why, retry_delay });
    };
    let retry_delay = task.options.retry_delay;
    let result = execute(task, callbacks, claim, input).await;
    result.map_err(|why| Failure { why, retry_delay })
}

async fn execute(
    task: Arc<Kind>,
    callbacks: Option<&Callbacks>,
    claim: &Arc<Claim>,
    input: Value,
) -> Result<Value, Failed> {
    let (limit, overtime) = (task.options.time_limit, task.overtime());
    let ending = claim.cancelled.child_token();
    // Given however this ends, so that what cannot be dropped hears of it.
    let _ended = ending.clone().drop_guard();
    let mut context = Context::new(
        claim.job.id,
        claim.job.attempt,
        claim.job.stream,
        ending.clone(),
        claim.reporter.clone(),
    )
    .until(limit.map(|limit| Instant::now() + limit))
    .traced(claim.traceparent())
    .gathering(claim.follow_ups.clone())
    .in_place(Arc::<Claim>::clone(claim));
    if let Some(callbacks) = callbacks.cloned() {
        let claim = Arc::clone(claim);
        let delay = task.options.retry_delay;
        let expect = move || callbacks.clone().expect(Arc::clone(&claim), delay).boxed();
        context = context.expecting(expect);
    }
    // A set of one: dropping it drops the execution.
    let mut execution = JoinSet::new();
    execution.spawn(async move { task.run(input, context).await }.in_current_span());
    let ended = match limit {
        Some(limit) => match tokio::time::timeout(limit, execution.join_next()).await {
            Ok(ended) => ended,
            Err(_) => {
                ending.cancel();
                return last_moment(&mut execution, overtime, limit).await;
            }
        },
        None => execution.join_next().await,
    };
    match ended {
        Some(Ok(result)) => Ok(result?),
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => Err(Failed::Panicked(spoken(&panic))),
            Err(_) => Err(Failed::Dropped),
        },
        None => Err(Failed::Dropped),
    }
}

/// What becomes of one whose time is over: it is waited for, so that the next attempt does not run beside it, and a result
/// that it had by then is one.
async fn last_moment(
    execution: &mut JoinSet<Result<Value, TaskError>>,
    overtime: Duration,
    limit: Duration,
) -> Result<Value, Failed> {
    let said = match tokio::time::timeout(overtime, execution.join_next()).await {
        Ok(Some(Ok(Ok(result)))) => return Ok(result),
        Ok(Some(Ok(Err(error)))) => format!(": {error}"),
        Ok(Some(Err(_)) | None) | Err(_) => String::new(),
    };
    Err(Failed::TimedOut { limit, said })
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
    let failure = error.downcast_ref::<Failure>();
    let (code, again) = match failure.map(|failure| &failure.why) {
        Some(Failed::Dropped) => return Fate::PutBack(Why::Interrupted),
        Some(Failed::Task(error)) => (&*error.code, error.again),
        Some(Failed::Panicked(_)) => ("task_panicked", Again::Backoff),
        Some(Failed::TimedOut { .. }) => ("time_limit", Again::Backoff),
        Some(Failed::Unknown(_)) => ("task_unknown", Again::Never),
        None => ("task_failed", apalis_wish(error)),
    };
    let failures = claim.job.failures.saturating_add(1);
    let error = error.to_string();
    let delay = match again {
        Again::Backoff => {
            let retry_delay = failure.map(|failure| failure.retry_delay);
            retry_delay.unwrap_or_default().after(failures)
        }
        Again::After(delay) => delay,
        Again::Postponed(delay) => return Fate::PutBack(Why::Postponed(delay)),
        Again::Waiting(limit) => return Fate::Waits(limit),
        Again::Never => return Fate::Ended(failed(code, &error)),
    };
    if failures >= claim.job.max_attempts {
        return Fate::Ended(failed(code, &error));
    }
    Fate::PutBack(Why::Failed {
        code: code.to_owned(),
        error: shortened(&error),
        delay,
    })
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
