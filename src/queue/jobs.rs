//! Looking at jobs, live or finished.

mod filter;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::ids::{ConnectionId, JobId, SessionId, WorkerId};
use crate::wire::{Attempt, Job, JobState};

pub use filter::Filter;
pub(super) use filter::names;

/// How many jobs one page has, at most.
pub const PAGE_LIMIT: i64 = 500;

/// So many bytes of inputs and results end a page.
const PAGE_BYTES: i64 = 2 * 1024 * 1024;

/// How many ids one look finds, at most.
const IDS_PAGE: i64 = 10_000;

/// Some jobs, and where there are more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The newest first.
    pub jobs: Vec<Job>,
    /// The job before which the next page begins, where there may be one.
    pub next: Option<JobId>,
}

/// The newest jobs of those that were submitted before the job `before`, or of all: at most `limit`, and fewer where
/// their inputs and results are large, or where one look has found no more.
///
/// # Errors
/// Those of the database.
pub async fn page(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<JobId>,
    limit: i64,
) -> Result<Page, sqlx::Error> {
    let found = look(connection, filter, before, limit.clamp(0, PAGE_LIMIT)).await?;
    let mut jobs = read(connection, &found.ids).await?;
    let last = jobs.last().map(|job| job.id);
    // What has moved on since it was found is not one of them any more.
    jobs.retain(|job| filter.states.is_empty() || filter.states.contains(&job.state));
    let next = if last == found.ids.last().copied() {
        found.next
    } else {
        last.or(found.next)
    };
    Ok(Page { jobs, next })
}

/// Some ids, and where there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The newest first.
    pub ids: Vec<JobId>,
    /// The job before which the next look begins, where there may be more.
    pub next: Option<JobId>,
}

/// The ids of such jobs before the job `before`, the newest first, as many as one look finds.
///
/// # Errors
/// Those of the database.
pub async fn some_ids(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<JobId>,
) -> Result<Ids, sqlx::Error> {
    look(connection, filter, before, IDS_PAGE).await
}

/// The ids of all such jobs, the newest first: a job that comes meanwhile is not among them.
///
/// # Errors
/// Those of the database.
pub async fn ids(
    connection: &mut PgConnection,
    filter: &Filter,
) -> Result<Vec<JobId>, sqlx::Error> {
    let mut found = some_ids(connection, filter, None).await?;
    let mut ids = found.ids;
    while let Some(before) = found.next {
        found = some_ids(connection, filter, Some(before)).await?;
        ids.append(&mut found.ids);
    }
    Ok(ids)
}

/// A job, if there is one of that id.
///
/// # Errors
/// Those of the database.
pub async fn find(executor: impl PgExecutor<'_>, job: JobId) -> Result<Option<Job>, sqlx::Error> {
    Ok(read(executor, &[job]).await?.pop())
}

/// Looks for jobs: finds at most `limit`, among no more than one look may go through.
async fn look(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<JobId>,
    limit: i64,
) -> Result<Ids, sqlx::Error> {
    let Some((first, last)) = filter.range(before) else {
        return Ok(Ids::default());
    };
    let end = match filter.reach() {
        Some(reach) => {
            let oldest = sqlx::query_file_scalar!(
                "src/queue/job_reach.sql",
                first,
                last,
                reach.jobs,
                filter.may_be_live(),
                filter.may_be_over(),
                reach.unsuccessful
            );
            oldest.fetch_optional(&mut *connection).await?
        }
        None => None,
    };
    let states = filter.states();
    let only: Option<Vec<Uuid>> = filter
        .ids
        .as_ref()
        .map(|ids| ids.iter().map(|id| id.0).collect());
    // One more than is asked for says whether there is a next page.
    let mut ids = sqlx::query_file_scalar!(
        "src/queue/job_ids.sql",
        end.map_or(first, |job| job.0),
        last,
        limit + 1,
        states.as_deref(),
        filter.task,
        filter.queue,
        filter.owner,
        filter.since.map(Timestamp::as_microsecond),
        filter.until.map(Timestamp::as_microsecond),
        filter.search.as_deref().filter(|search| !search.is_empty()),
        filter.may_be_live(),
        filter.may_be_over(),
        only.as_deref()
    )
    .fetch_all(connection)
    .await?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let is_cut = ids.len() > limit;
    ids.truncate(limit);
    let next = if is_cut { ids.last().copied() } else { end };
    Ok(Ids { ids, next })
}

/// Those of the jobs that are there, the newest first, as many as fit into one answer.
///
/// # Errors
/// Those of the database.
pub async fn read(executor: impl PgExecutor<'_>, jobs: &[JobId]) -> Result<Vec<Job>, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let rows = sqlx::query_file_as!(Row, "src/queue/jobs.sql", &ids, PAGE_BYTES)
        .fetch_all(executor)
        .await?;
    rows.into_iter().map(Row::job).collect()
}

/// A job as the statement answers it; times are in microseconds since 1970.
struct Row {
    id: JobId,
    task: String,
    task_type: String,
    queue: String,
    input: String,
    state: String,
    result: Option<String>,
    error_code: Option<String>,
    error: Option<String>,
    progress: Option<String>,
    attempt: i32,
    max_attempts: i32,
    priority: i16,
    created_at: i64,
    run_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cancelling: bool,
    owner: String,
    connection_id: Option<ConnectionId>,
    session_id: Option<SessionId>,
    worker_id: Option<WorkerId>,
    concurrency_key: Option<String>,
    retry_of: Option<JobId>,
    retried_as: Option<JobId>,
}

impl Row {
    fn job(self) -> Result<Job, sqlx::Error> {
        Ok(Job {
            id: self.id,
            task: self.task,
            task_type: self.task_type,
            queue: self.queue,
            input: json(self.input),
            state: state(self.id, &self.state)?,
            result: self.result.map(json),
            error_code: self.error_code,
            error: self.error,
            progress: self.progress.map(json),
            attempts: self.attempt,
            max_attempts: self.max_attempts,
            priority: self.priority,
            queued_at: time(self.created_at)?,
            run_at: time(self.run_at)?,
            started_at: self.started_at.map(time).transpose()?,
            finished_at: self.finished_at.map(time).transpose()?,
            is_cancelling: self.cancelling,
            owner: self.owner,
            connection_id: self.connection_id,
            session_id: self.session_id,
            worker_id: self.worker_id,
            concurrency_key: self.concurrency_key,
            retry_of: self.retry_of,
            retried_as: self.retried_as,
        })
    }
}

/// The state of a job, by its name in the database.
pub(super) fn state(job: JobId, name: &str) -> Result<JobState, sqlx::Error> {
    JobState::named(name).ok_or_else(|| {
        let unknown = format!("job {job} is in a state {name:?}");
        sqlx::Error::Decode(unknown.into())
    })
}

/// What we cannot read (nested too deeply, for example) can still be shown.
fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

pub(super) fn time(microseconds: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(microseconds).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The attempts of a job that have ended, in their order.
///
/// # Errors
/// Those of the database.
pub async fn attempts(
    executor: impl PgExecutor<'_>,
    job: JobId,
) -> Result<Vec<Attempt>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select
            attempt as "attempt!", outcome as "outcome!", error_code, error, worker_id as "worker_id: WorkerId",
            (extract(epoch from started_at) * 1000000)::bigint as started_at,
            (extract(epoch from ended_at) * 1000000)::bigint as "ended_at!"
        from ringback.attempts
        where job_id = $1
        order by attempt
        "#,
        job.0
    )
    .fetch_all(executor)
    .await?;
    let attempts = rows.into_iter().map(|row| {
        Ok(Attempt {
            attempt: row.attempt,
            outcome: row.outcome,
            started_at: row.started_at.map(time).transpose()?,
            ended_at: time(row.ended_at)?,
            error_code: row.error_code,
            error: row.error,
            worker_id: row.worker_id,
        })
    });
    attempts.collect()
}
