//! New jobs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::keys::{Key, Repeat};
use super::{Try, sparse};
use crate::auth::ANONYMOUS;
use crate::ids::{ConnectionId, GatewayId, JobId, SessionId};
use crate::postgres::hints::Hint;
use crate::telemetry::{FIGURES, Traceparent};

/// A job to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Made before the insert, so that it can be inserted again after a cut connection.
    pub id: JobId,
    /// What runs it.
    pub task: String,
    /// The name it was asked by.
    pub task_type: String,
    /// Where it waits.
    pub queue: String,
    /// What it works on.
    pub input: Value,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// How often it may fail, where that is not as often as its task says.
    pub max_attempts: Option<i32>,
    /// When it may start.
    pub due: Due,
    /// Jobs of one task with the same key share its limits for each key.
    pub concurrency_key: Option<String>,
    /// Whether whoever asks wants to hear of it while it runs.
    pub stream: bool,
    /// The trace that it is a part of.
    pub traceparent: Option<Traceparent>,
    /// Who asked for it.
    pub asker: Asker,
    /// What makes it the same job when it is submitted again.
    pub key: Option<Key>,
}

/// When a job may start, by the database's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// So long after it is stored.
    After(Duration),
    /// Not before this time.
    At(SystemTime),
}

/// Who asked for a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Asker {
    /// The socket.
    pub connection: Option<ConnectionId>,
    /// The gateway of that socket.
    pub gateway: Option<GatewayId>,
    /// The session of that socket, which the job belongs to.
    pub session: Option<SessionId>,
    /// Whose job it is.
    pub owner: String,
}

impl Asker {
    /// Nobody in particular: no socket waits for the result.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            connection: None,
            gateway: None,
            session: None,
            owner: ANONYMOUS.to_owned(),
        }
    }
}

/// What came of new jobs.
#[derive(Debug, Default)]
pub struct Stored {
    /// Those that repeat an earlier submission, and are therefore left out.
    pub repeats: Vec<Repeat>,
    /// What to send when it is committed.
    pub hints: Vec<Hint>,
}

/// Inserts jobs, all or none.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn enqueue(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    this: Try,
) -> Result<Stored, sqlx::Error> {
    if !this.again {
        return insert(connection, jobs, this).await;
    }
    let mut transaction = connection.begin().await?;
    let stored = insert(&mut transaction, jobs, this).await?;
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    // The insert may have waited for a finish that was ending the very job: only now is the history seen to have it.
    sqlx::query!(
        r#"
        delete from ringback.job
        where id = any ($1)
            and (select past.id from ringback.job_history past where past.id = job.id) is not null
        "#,
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(stored)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    this: Try,
) -> Result<Stored, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let tasks: Vec<&str> = jobs.iter().map(|job| job.task.as_str()).collect();
    let task_types: Vec<&str> = jobs.iter().map(|job| job.task_type.as_str()).collect();
    let queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
    let inputs: Vec<String> = jobs.iter().map(|job| job.input.to_string()).collect();
    // As a rule they have none of all this.
    let priorities = sparse(
        jobs.iter()
            .map(|job| Some(job.priority).filter(|&it| it != 0)),
    );
    let max_attempts = sparse(jobs.iter().map(|job| job.max_attempts));
    let connections = sparse(jobs.iter().map(|job| job.asker.connection.map(|id| id.0)));
    let gateways = sparse(jobs.iter().map(|job| job.asker.gateway.map(|id| id.0)));
    let sessions = sparse(jobs.iter().map(|job| job.asker.session.map(|id| id.0)));
    let due = sparse(jobs.iter().map(|job| job.due.at()));
    let delays = sparse(jobs.iter().map(|job| job.due.after()));
    let concurrency_keys = sparse(jobs.iter().map(|job| job.concurrency_key.as_deref()));
    let stream = sparse(jobs.iter().map(|job| job.stream.then_some(true)));
    let keys = jobs.iter().map(|job| job.key.as_ref());
    let names = sparse(keys.clone().map(|key| key.map(|key| key.name.as_str())));
    let keep = sparse(keys.map(|key| key.map(|key| key.keep.as_secs_f64())));
    let traces = sparse(jobs.iter().map(|job| job.traceparent.as_deref()));
    let owners: Vec<&str> = jobs.iter().map(|job| job.asker.owner.as_str()).collect();
    let stored = sqlx::query_file!(
        "src/queue/enqueue.sql",
        &ids,
        &tasks as _,
        &task_types as _,
        &queues as _,
        &inputs,
        &priorities as _,
        &max_attempts as _,
        &connections as _,
        &gateways as _,
        &due as _,
        &delays as _,
        &concurrency_keys as _,
        &sessions as _,
        &owners as _,
        &stream as _,
        &names as _,
        &keep as _,
        this.again,
        this.hints.notifies(),
        &traces as _,
        this.hints.answers()
    )
    .fetch_one(connection)
    .await?;
    FIGURES.hints(stored.hinted);
    let repeats = stored
        .submitted
        .into_iter()
        .zip(stored.jobs)
        .zip(stored.same);
    let repeat = |((submitted, job), same)| Repeat {
        submitted: JobId(submitted),
        job: JobId(job),
        same,
    };
    Ok(Stored {
        repeats: repeats.map(repeat).collect(),
        hints: Hint::of_columns(stored.channels, stored.payloads),
    })
}

impl Due {
    /// After so many seconds, or at this time; where neither is said, at once.
    #[must_use]
    pub fn of(delay: Option<f64>, run_at: Option<Timestamp>) -> Self {
        match (delay, run_at) {
            (Some(delay), _) => Self::After(Duration::try_from_secs_f64(delay).unwrap_or_default()),
            (None, Some(time)) => Self::At(time.into()),
            (None, None) => Self::Now,
        }
    }

    /// In seconds since 1970.
    fn at(self) -> Option<f64> {
        match self {
            Self::At(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                Some(since.as_secs_f64())
            }
            Self::Now | Self::After(_) => None,
        }
    }

    /// In seconds from now.
    fn after(self) -> Option<f64> {
        match self {
            Self::After(delay) => Some(delay.as_secs_f64()),
            Self::Now | Self::At(_) => None,
        }
    }
}
