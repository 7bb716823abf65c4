//! What the fleet can run: the rows of tasks, written by whoever has them, read by the gateways and by
//! `ringback.enqueue`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgExecutor;

use super::recover::LEASE;
use crate::ids::WorkerId;
use crate::task::{FALLBACK, Kind, Limits, Schema, Tasks};
use crate::wire::TaskInfo;

/// A task as whoever has it makes it known.
#[derive(Clone, Debug, PartialEq)]
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
    /// What its jobs work on, where that is said.
    pub input: Option<Schema>,
    /// What they give back, where that is said.
    pub output: Option<Schema>,
}

impl TaskRow {
    /// The rows of all of `tasks`.
    #[must_use]
    pub fn all(tasks: &Tasks) -> Vec<Self> {
        let row = |task: &Arc<Kind>| Self {
            name: task.name.clone(),
            queue: task.options.queue.clone(),
            max_attempts: task.options.max_attempts,
            limits: task.options.limits,
            key_limits: task.options.key_limits,
            input: Some(task.input.clone()),
            output: Some(task.output.clone()),
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
#[derive(Clone, Debug, PartialEq)]
pub struct KnownTask {
    /// Its stable name.
    pub name: String,
    /// The queue of its jobs.
    pub queue: String,
    /// What its jobs work on.
    pub input: Schema,
    /// What they give back.
    pub output: Schema,
}

/// What the fleet can run, by name.
///
/// # Errors
/// Those of the database.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<KnownTask>, sqlx::Error> {
    let tasks = sqlx::query!(
        r#"
        select name, queue, input_schema::text as input, output_schema::text as output
        from ringback.task
        order by name
        "#
    )
    .fetch_all(executor)
    .await?;
    let known = tasks.into_iter().map(|task| {
        KnownTask::of(
            task.name,
            task.queue,
            task.input.as_deref(),
            task.output.as_deref(),
        )
    });
    Ok(known.collect())
}

/// The same as people and pages read it, with how many workers can run them now.
///
/// # Errors
/// Those of the database.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<TaskInfo>, sqlx::Error> {
    sqlx::query_as!(
        TaskInfo,
        r#"
        select
            name, queue, max_attempts, coalesce(input_schema, '{}') as "input!", coalesce(output_schema, '{}') as "output!",
            (
                select count(*) from ringback.worker
                where (worker.tasks is null or task.name = any (worker.tasks)) and task.queue = any (worker.queues)
                    and gone_at is null
                    and beat_at > clock_timestamp() - make_interval(secs => $1)
            ) as "workers!"
        from ringback.task
        order by name
        "#,
        LEASE.as_secs_f64()
    )
    .fetch_all(executor)
    .await
}

/// The task that runs what is asked for by this name, where there is one.
///
/// # Errors
/// Those of the database.
pub async fn running(
    executor: impl PgExecutor<'_>,
    asked: &str,
) -> Result<Option<KnownTask>, sqlx::Error> {
    let task = sqlx::query!(
        r#"
        select name, queue, input_schema::text as input, output_schema::text as output
        from ringback.task
        where name in ($1, $2)
        order by name = $1 desc
        limit 1
        "#,
        asked,
        FALLBACK
    )
    .fetch_optional(executor)
    .await?;
    Ok(task.map(|task| {
        KnownTask::of(
            task.name,
            task.queue,
            task.input.as_deref(),
            task.output.as_deref(),
        )
    }))
}

impl KnownTask {
    fn of(name: String, queue: String, input: Option<&str>, output: Option<&str>) -> Self {
        Self {
            input: schema(&name, input),
            output: schema(&name, output),
            name,
            queue,
        }
    }
}

/// What somebody has registered; what is no schema that we know says nothing.
fn schema(task: &str, text: Option<&str>) -> Schema {
    let Some(text) = text else {
        return Schema::anything();
    };
    let read = serde_json::from_str(text).map_err(|error| error.to_string());
    read.and_then(Schema::new).unwrap_or_else(|error| {
        tracing::warn!(task.name = task, %error, "a registered schema cannot be read; its jobs are not checked");
        Schema::anything()
    })
}

/// Makes tasks known to the fleet: in the name of a worker, or of a gateway, which does not contradict a living worker.
/// What is held by limits that have changed is looked at again.
///
/// # Errors
/// Those of the database.
pub async fn register(
    executor: impl PgExecutor<'_>,
    by: Option<WorkerId>,
    tasks: &[TaskRow],
) -> Result<(), sqlx::Error> {
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
    let schemas = |of: fn(&TaskRow) -> Option<&Schema>| -> Vec<Option<String>> {
        let texts = tasks.iter().map(of);
        texts
            .map(|schema| Some(schema?.text().to_string()))
            .collect()
    };
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
        &key_periods as _,
        &schemas(|task| task.input.as_ref()) as _,
        &schemas(|task| task.output.as_ref()) as _,
        by.map(|worker| worker.0),
        LEASE.as_secs_f64()
    )
    .fetch_one(executor)
    .await
    .map(|_| ())
}

/// The names of those of `tasks` that `worker` has to register again.
///
/// Of all living workers that have them it started last, and an older one or none has registered them. So an older
/// version of a program that starts again during a deployment has the last word only for as long as it lives.
///
/// # Errors
/// Those of the database.
pub async fn to_register(
    executor: impl PgExecutor<'_>,
    worker: WorkerId,
    tasks: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with living as (
            select id, started_at, tasks from ringback.worker
            where gone_at is null and beat_at > clock_timestamp() - make_interval(secs => $3)
        )
        select task.name
        from ringback.task
        join ringback.worker as own on own.id = $1
        left join living as registrant on registrant.id = task.registered_by
        where task.name = any ($2)
            and (registrant.id is null or (registrant.started_at, registrant.id) < (own.started_at, own.id))
            and not exists (
                select from living as later
                where task.name = any (later.tasks) and (later.started_at, later.id) > (own.started_at, own.id)
            )
        "#,
        worker.0,
        tasks,
        LEASE.as_secs_f64()
    )
    .fetch_all(executor)
    .await
}

fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
