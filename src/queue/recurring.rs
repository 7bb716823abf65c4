//! Jobs that come back: by a cron expression, in a time zone, each firing once in the whole fleet.
//!
//! Every process looks what is due; the row says when it is, and only whoever still finds it so adds the job, in the
//! same statement that says when it is due next.

mod schedule;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

use crate::ids::JobId;
use crate::postgres::{Fault, Link};

pub use schedule::{Schedule, ScheduleError};

/// How late a firing may be and still count as in time.
const LATE: Duration = Duration::from_secs(60);

/// How many firings one look takes, at most.
const BATCH: i64 = 100;

/// A job that comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurring {
    /// What it is called; another of the same name replaces it.
    pub name: String,
    /// What it asks for each time.
    pub task: String,
    /// What that works on.
    pub input: Value,
    /// When.
    pub schedule: Schedule,
    /// What becomes of a firing that is more than a minute late.
    pub missed: Missed,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// How often each job may fail, where that is not as often as its task says.
    pub max_attempts: Option<i32>,
    /// The concurrency key of its jobs: with a limit of one for each key, no two of them overlap.
    pub concurrency_key: Option<String>,
}

/// What becomes of a firing that is more than a minute late, because no process was running or the database was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// It is made up for: once, however many there were.
    #[default]
    CatchUp,
    /// It is left out.
    Skip,
}

/// A recurring job as its row has it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// What it asks for each time.
    pub task: String,
    /// The cron expression.
    pub cron: String,
    /// The time zone.
    pub time_zone: String,
    /// `catch_up` or `skip`.
    pub missed: String,
    /// When it fires next, if it does.
    pub next_at: Option<String>,
    /// The job of the last firing.
    pub last_job: Option<JobId>,
}

/// Adds a recurring job, or replaces that of its name. It fires from now on.
///
/// # Errors
/// Those of the database.
pub async fn set(
    connection: &mut PgConnection,
    recurring: &Recurring,
) -> Result<Timestamp, SetError> {
    let now = database_time(&mut *connection).await?;
    let next = recurring.schedule.after(now).ok_or(SetError::Never)?;
    sqlx::query!(
        r#"
        insert into ringback.recurring (
            name, task, input, cron, time_zone, missed, priority, max_attempts, concurrency_key, next_at
        )
        values ($1, $2, $3::text::jsonb, $4, $5, $6, $7, $8, $9, to_timestamp($10))
        on conflict (name) do update set
            task = excluded.task, input = excluded.input, cron = excluded.cron, time_zone = excluded.time_zone,
            missed = excluded.missed, priority = excluded.priority, max_attempts = excluded.max_attempts,
            concurrency_key = excluded.concurrency_key, next_at = excluded.next_at
        "#,
        recurring.name,
        recurring.task,
        recurring.input.to_string(),
        recurring.schedule.cron(),
        recurring.schedule.time_zone(),
        recurring.missed.name(),
        recurring.priority,
        recurring.max_attempts,
        recurring.concurrency_key,
        seconds(next)
    )
    .execute(connection)
    .await?;
    Ok(next)
}

/// Why a recurring job was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// There is no such time.
    #[error("it would never fire")]
    Never,
    /// The database, or something that it refuses.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Removes a recurring job; the jobs that it has added stay. Answers whether there was one.
///
/// # Errors
/// Those of the database.
pub async fn remove(executor: impl PgExecutor<'_>, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query!("delete from ringback.recurring where name = $1", name)
        .execute(executor)
        .await
        .map(|done| done.rows_affected() > 0)
}

/// All of them, by name.
///
/// # Errors
/// Those of the database.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as!(
        Row,
        r#"
        select
            name, task, cron, time_zone, missed,
            case when next_at < 'infinity'
                then to_char(next_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            end as next_at,
            last_job as "last_job: JobId"
        from ringback.recurring
        order by name
        "#
    )
    .fetch_all(executor)
    .await
}

/// Fires what is due; answers after what time there will be something due, if that is known.
///
/// # Errors
/// Those of the database when it is away. What cannot be fired otherwise, such as a task that nobody has registered
/// yet, is tried again the next time.
pub async fn fire(link: &mut Link) -> Result<Option<Duration>, sqlx::Error> {
    let due = link.run(async |connection| { sqlx::query!(
        r#"
        select
            name, cron, time_zone, missed, extract(epoch from next_at)::double precision as "next_at!",
            extract(epoch from clock_timestamp())::double precision as "now!"
        from ringback.recurring
        where next_at <= clock_timestamp()
        order by next_at
        limit $1
        "#,
        BATCH
    ).fetch_all(connection).await });
    for row in due.await? {
        let now = timestamp(row.now);
        let next = match Schedule::parse(&row.cron, &row.time_zone) {
            Ok(schedule) => schedule.after(now),
            Err(error) => {
                tracing::warn!(recurring.name = %row.name, %error, "a recurring job cannot be read");
                continue;
            }
        };
        let in_time = row.now - row.next_at <= LATE.as_secs_f64();
        let fires = in_time || row.missed != Missed::Skip.name();
        let fired = link.run(async |connection| {
            sqlx::query_scalar!(
                r#"select ringback.fire($1, $2, $3, $4) as "job: JobId""#,
                row.name,
                row.next_at,
                next.map(seconds),
                fires
            )
            .fetch_one(connection)
            .await
        });
        match fired.await {
            Ok(Some(job)) => {
                tracing::info!(recurring.name = %row.name, job.id = %job, "a recurring job has fired");
            }
            // Passed over, or another process was faster.
            Ok(None) => {}
            Err(error) if Fault::of(&error) == Fault::Away => return Err(error),
            Err(error) => {
                tracing::warn!(recurring.name = %row.name, %error, "a recurring job could not fire, trying again");
            }
        }
    }
    let next = link.run(async |connection| {
        sqlx::query_scalar!(
            r#"
        select extract(epoch from min(next_at) - clock_timestamp())::double precision
        from ringback.recurring
        where next_at > clock_timestamp() and next_at < 'infinity'
        "#
        )
        .fetch_one(connection)
        .await
    });
    Ok(next
        .await?
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

async fn database_time(connection: &mut PgConnection) -> Result<Timestamp, sqlx::Error> {
    let now = sqlx::query_scalar!(
        r#"select extract(epoch from clock_timestamp())::double precision as "now!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(timestamp(now))
}

fn timestamp(seconds: f64) -> Timestamp {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Timestamp::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(Timestamp::MAX)
}

/// Of a time that a cron expression names: a whole number of seconds.
fn seconds(time: Timestamp) -> f64 {
    time.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

impl Missed {
    fn name(self) -> &'static str {
        match self {
            Self::CatchUp => "catch_up",
            Self::Skip => "skip",
        }
    }
}
