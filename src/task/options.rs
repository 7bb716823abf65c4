//! What a task says of its jobs.

use std::time::Duration;

use super::{DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, Limits, RetryDelay};

/// Where the jobs of a task wait, how often they may fail, how long they may take, how many may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The queue that its jobs wait in.
    pub queue: String,
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
}

/// The queue `default`, five attempts, no time limit, and as many at once as there is room for.
impl Default for Options {
    fn default() -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            retry_delay: RetryDelay::default(),
            time_limit: None,
            limits: Limits::none(),
            key_limits: Limits::none(),
        }
    }
}

impl Options {
    /// Those of a task that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// The same, where a job may fail this often; at least once.
    #[must_use]
    pub fn max_attempts(mut self, attempts: i32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The same, where failed jobs wait as long as this says.
    #[must_use]
    pub fn retry_delay(mut self, delay: RetryDelay) -> Self {
        self.retry_delay = delay;
        self
    }

    /// The same, where an attempt may take this long.
    ///
    /// It is dropped where it next waits for something; what blocks a thread goes on unseen, and should look at
    /// [`Context::is_cancelled`](super::Context::is_cancelled).
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The same, where the whole fleet runs no more than these allow.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, where the whole fleet runs no more with one concurrency key than these allow.
    #[must_use]
    pub fn key_limits(mut self, limits: Limits) -> Self {
        self.key_limits = limits;
        self
    }
}
