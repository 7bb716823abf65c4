//! Submitting a job in a transaction of one's own: `ringback.enqueue`, from Rust.
//!
//! The job is there if that transaction commits, and only then. Workers are told with the commit.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use sqlx::PgConnection;

use super::enqueue::Due;
use super::tasks;
use crate::auth::ANONYMOUS;
use crate::ids::JobId;
use crate::postgres::code;
use crate::task::{Wrong, sentences};
use crate::telemetry::Traceparent;

/// A job that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The name of its task; one that is not known runs the task called `default`, where there is one.
    pub task: String,
    /// What it works on.
    pub input: Value,
    /// When it may start.
    pub due: Due,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// How often it may fail, where that is not as often as its task says.
    pub max_attempts: Option<i32>,
    /// Jobs of one task with the same key share its limits for each key.
    pub concurrency_key: Option<String>,
    /// Whoever asks again with the same key, as the same owner, is given the same job.
    pub idempotency_key: Option<String>,
    /// For how long that key is remembered.
    pub keep_key: Duration,
    /// Whose job it is.
    pub owner: String,
    /// Whether whoever follows it wants to hear of it while it runs.
    pub stream: bool,
    /// The trace that it is a part of.
    pub traceparent: Option<Traceparent>,
}

/// Why a job was not added. But for an input that is invalid, the transaction has failed, as after any error of a
/// statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// No such task, and no default one.
    #[error("no task is called {0}")]
    TaskUnknown(String),
    /// The task cannot work on the input. The transaction goes on.
    #[error("{}", sentences(.0))]
    InputInvalid(Vec<Wrong>),
    /// The idempotency key belongs to another request.
    #[error("the idempotency key was used before, for another request")]
    Conflict,
    /// Something else, such as a limit of an option, or the database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Request {
    /// A job that starts at once.
    #[must_use]
    pub fn new(task: impl Into<String>, input: impl Into<Value>) -> Self {
        Self {
            task: task.into(),
            input: input.into(),
            due: Due::Now,
            priority: 0,
            max_attempts: None,
            concurrency_key: None,
            idempotency_key: None,
            keep_key: Duration::from_secs(86_400),
            owner: ANONYMOUS.to_owned(),
            stream: false,
            traceparent: None,
        }
    }
}

/// Adds a job in the transaction that `connection` is in, or, where it is in none, at once.
///
/// An idempotency key that another transaction under way has used is waited for.
///
/// # Errors
/// When there is no such task, or the input is not one of it, the key was used for something else, or the database refuses.
pub async fn submit(connection: &mut PgConnection, job: &Request) -> Result<JobId, SubmitError> {
    let mut input = job.input.clone();
    if let Some(task) = tasks::running(&mut *connection, &job.task).await? {
        input = task.input.fit(input).map_err(SubmitError::InputInvalid)?;
    }
    let (mut delay, mut run_at) = (None, None);
    match job.due {
        Due::Now => {}
        Due::After(time) => delay = Some(time.as_secs_f64()),
        Due::At(time) => {
            let since = time.duration_since(UNIX_EPOCH);
            run_at = Some(since.unwrap_or_default().as_secs_f64());
        }
    }
    let id = sqlx::query_scalar!(
        r#"
        select ringback.enqueue(
            $1, input => $2::text::jsonb, delay => make_interval(secs => $3::double precision),
            run_at => to_timestamp($4::double precision), priority => $5, max_attempts => $6, concurrency_key => $7,
            idempotency_key => $8, keep_key => make_interval(secs => $9), owner => $10, stream => $11,
            traceparent => $12
        ) as "id!: JobId"
        "#,
        job.task,
        input.to_string(),
        delay,
        run_at,
        i32::from(job.priority),
        job.max_attempts,
        job.concurrency_key,
        job.idempotency_key,
        job.keep_key.as_secs_f64(),
        job.owner,
        job.stream,
        job.traceparent.as_deref()
    )
    .fetch_one(connection)
    .await;
    id.map_err(|error| match code(&error).as_deref() {
        // undefined_object and unique_violation
        Some("42704") => SubmitError::TaskUnknown(job.task.clone()),
        Some("23505") => SubmitError::Conflict,
        _ => SubmitError::Database(error),
    })
}
