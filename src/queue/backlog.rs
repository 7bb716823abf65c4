//! How much there is to do, in figures for those who decide how many workers there are to be.

use sqlx::PgExecutor;

/// What waits in a queue, and who works on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Backlog {
    /// The queue.
    pub queue: String,
    /// Jobs that may start;
    pub ready: i64,
    /// that start later;
    pub scheduled: i64,
    /// that are over a limit;
    pub held: i64,
    /// that run;
    pub running: i64,
    /// and that wait for a callback.
    pub waiting: i64,
    /// For how many seconds the one that waits longest has been ready.
    pub oldest_wait: f64,
    /// How many workers claim from it.
    pub workers: i64,
    /// How many jobs they have slots for, in all.
    pub slots: i64,
}

/// Whether there is nothing to run now, nor anything that runs.
///
/// # Errors
/// Those of the database.
pub async fn is_done(executor: impl PgExecutor<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select not exists (
            select from ringback.job
            where state in ('ready', 'running', 'held') or state = 'scheduled' and run_at <= clock_timestamp()
        ) as "done!"
        "#
    )
    .fetch_one(executor)
    .await
}

/// Every queue that has live jobs, or a task.
///
/// # Errors
/// Those of the database.
pub async fn backlog(executor: impl PgExecutor<'_>) -> Result<Vec<Backlog>, sqlx::Error> {
    sqlx::query_as!(
        Backlog,
        r#"
        select
            queue as "queue!", coalesce(ready, 0) as "ready!", coalesce(scheduled, 0) as "scheduled!",
            coalesce(held, 0) as "held!", coalesce(running, 0) as "running!", coalesce(waiting, 0) as "waiting!",
            coalesce(extract(epoch from oldest_wait), 0)::double precision as "oldest_wait!",
            coalesce(health.workers, able.workers) as "workers!", coalesce(health.slots, able.slots)::bigint as "slots!"
        from ringback.queue_health as health
        full join (select distinct queue from ringback.task) as known using (queue)
        cross join lateral (
            select count(*) as workers, coalesce(sum(concurrency), 0) as slots
            from ringback.worker
            where queue = any (worker.queues) and gone_at is null
                and beat_at > clock_timestamp() - interval '15 seconds'
        ) as able
        order by queue
        "#
    )
    .fetch_all(executor)
    .await
}
