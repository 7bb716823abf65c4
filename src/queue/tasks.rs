//! What the fleet can run: the rows of tasks, written by whoever has them, read by the gateways and by
//! `ringback.enqueue`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgExecutor;

use crate::task::{Limits, Task, Tasks};

/// A task as whoever has it makes it known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its stable name.
    pub name: String,
    /// The queue of its jobs.
    pub queue: String,
    /// How often a job of it may fail.
    pub max_attempts: i32,
    /// How much of it may run, in the whole fleet.
    pub limits: Limits,
    /// The same for each of its concurrency keys.
    pub key_limits: Limits,
}

impl TaskRow {
    /// The rows of all of `tasks`.
    #[must_use]
    pub fn all(tasks: &Tasks) -> Vec<Self> {
        let row = |task: &Arc<Task>| Self {
            name: task.name.to_owned(),
            queue: task.queue.to_owned(),
            max_attempts: task.max_attempts,
            limits: task.limits,
            key_limits: task.key_limits,
        };
        tasks.iter().map(row).collect()
    }

    /// Whether the claims of its jobs must not be lost: a job that is claimed twice would be one too many at once.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        [self.limits, self.key_limits]
            .iter()
            .any(|limits| *limits != Limits::none())
    }
}

/// A task as a gateway knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTask {
    /// Its stable name.
    pub name: String,
    /// The queue of its jobs.
    pub queue: String,
}

/// Makes tasks known to the fleet. What is held by limits that have changed is looked at again.
///
/// # Errors
/// Those of the database.
pub async fn register(executor: impl PgExecutor<'_>, tasks: &[TaskRow]) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let queues: Vec<&str> = tasks.iter().map(|task| task.queue.as_str()).collect();
    let attempts: Vec<i32> = tasks.iter().map(|task| task.max_attempts).collect();
    let column = |of: fn(&TaskRow) -> Limits| {
        let limits: Vec<Limits> = tasks.iter().map(of).collect();
        let at_once: Vec<Option<i32>> = limits
            .iter()
            .map(|limits| limits.concurrency.map(integer))
            .collect();
        let starts: Vec<Option<i32>> = limits
            .iter()
            .map(|limits| limits.rate.map(|rate| integer(rate.starts)))
            .collect();
        let periods: Vec<Option<f64>> = limits
            .iter()
            .map(|limits| limits.rate.map(|rate| seconds(rate.period)))
            .collect();
        (at_once, starts, periods)
    };
    let (at_once, starts, periods) = column(|task| task.limits);
    let (key_at_once, key_starts, key_periods) = column(|task| task.key_limits);
    sqlx::query_file!(
        "src/queue/register.sql",
        &names as _,
        &queues as _,
        &attempts,
        &at_once as _,
        &starts as _,
        &periods as _,
        &key_at_once as _,
        &key_starts as _,
        &key_periods as _
    )
    .fetch_one(executor)
    .await
    .map(|_| ())
}

fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
