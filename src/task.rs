//! What work is: a name, where it waits, how often it may fail, and an async function from JSON to JSON.
//!
//! A task knows nothing of queues, sockets or Postgres.

mod analyze;
mod context;
mod fallback;
mod generate;
mod limits;
mod pretend;
mod report;
mod retry;
mod translate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

pub use context::Context;
pub use limits::{Limits, Rate};
pub use report::{Progress, Reporter};
pub use retry::RetryDelay;

use pretend::Pretend;

/// The queue of tasks that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// The task that runs what no other task is named for, where it is registered.
pub const FALLBACK: &str = "default";

/// How often a job may fail before it ends as failed, unless its task says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: i32 = 5;

/// A kind of work.
#[derive(Clone)]
pub struct Task {
    /// The stable name that clients ask for and the database stores.
    pub name: &'static str,
    /// The queue that its jobs wait in.
    pub queue: &'static str,
    /// How often a job of it may fail.
    pub max_attempts: i32,
    /// How long a job that failed waits for its next attempt, where its error does not say.
    pub retry_delay: RetryDelay,
    /// How long an attempt may take; one that takes longer is dropped, and has failed.
    pub time_limit: Option<Duration>,
    /// How many jobs of it may run, in the whole fleet.
    pub limits: Limits,
    /// The same for each concurrency key that its jobs are submitted with.
    pub key_limits: Limits,
    run: Arc<dyn Fn(Value, Context) -> Run + Send + Sync>,
}

/// One run of a task.
type Run = BoxFuture<'static, Result<Value, TaskError>>;

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// A sentence for the client and the history.
    pub message: String,
    /// Whether to try again.
    pub again: Again,
}

/// Whether a failed attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// With growing delays, until the attempts are used up.
    Backoff,
    /// After this time, until the attempts are used up.
    After(Duration),
    /// Not at all.
    Never,
}

impl Task {
    /// A task that waits in the default queue.
    pub fn new<F>(
        name: &'static str,
        run: impl Fn(Value, Context) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value, TaskError>> + Send + 'static,
    {
        Self {
            name,
            queue: DEFAULT_QUEUE,
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            retry_delay: RetryDelay::default(),
            time_limit: None,
            limits: Limits::default(),
            key_limits: Limits::default(),
            run: Arc::new(move |input, context| Box::pin(run(input, context))),
        }
    }

    /// The same, whose jobs may fail this often.
    #[must_use]
    pub fn max_attempts(mut self, attempts: i32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The same, whose failed jobs wait as long as this says.
    #[must_use]
    pub fn retry_delay(mut self, delay: RetryDelay) -> Self {
        self.retry_delay = delay;
        self
    }

    /// The same, whose attempts may take this long.
    ///
    /// An attempt is dropped where it next waits for something; one that blocks its thread goes on unseen.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The same, of which the whole fleet runs no more than these allow.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, of which the whole fleet runs no more with one concurrency key than these allow.
    #[must_use]
    pub fn key_limits(mut self, limits: Limits) -> Self {
        self.key_limits = limits;
        self
    }

    /// Runs it once.
    pub fn run(&self, input: Value, context: Context) -> Run {
        (self.run)(input, context)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl TaskError {
    /// A failure that may be tried again.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            again: Again::Backoff,
        }
    }

    /// A failure that is tried again after this time, such as the one that a rate limit names.
    pub fn after(message: impl Into<String>, delay: Duration) -> Self {
        Self {
            message: message.into(),
            again: Again::After(delay),
        }
    }

    /// A failure that trying again cannot mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            again: Again::Never,
        }
    }
}

/// The tasks that a program can run, by name.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    by_name: BTreeMap<&'static str, Arc<Task>>,
}

impl Tasks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more; a second one of the same name replaces the first.
    #[must_use]
    pub fn with(mut self, task: Task) -> Self {
        self.by_name.insert(task.name, Arc::new(task));
        self
    }

    /// The demonstration tasks, whose pretended work takes `delay_scale` times as long as it says.
    #[must_use]
    pub fn demonstration(delay_scale: f64) -> Self {
        let pretend = Pretend { delay_scale };
        Self::new()
            .with(pretend.task("translate", Duration::from_secs(2), translate::translate))
            .with(pretend.task("analyze", Duration::from_secs(3), analyze::analyze))
            .with(pretend.streaming("generate", Duration::from_secs(4), generate::generate))
            .with(pretend.task(FALLBACK, Duration::from_secs(1), fallback::process))
    }

    /// The task of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Task>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.by_name.values()
    }
}
