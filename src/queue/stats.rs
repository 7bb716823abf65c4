//! How things are, in a few numbers.

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};

use super::fleet;
use super::jobs::time;
use crate::wire::{LiveJobs, Stats, TaskStats};

/// How things are now.
///
/// # Errors
/// Those of the database.
pub async fn stats(connection: &mut PgConnection) -> Result<Stats, sqlx::Error> {
    let (at, live) = live(&mut *connection).await?;
    let tasks = sqlx::query_as!(
        TaskStats,
        r#"
        select
            task as "task!", finished as "finished!", failed as "failed!",
            extract(epoch from waited_p50)::double precision as waited_p50,
            extract(epoch from waited_p95)::double precision as waited_p95,
            extract(epoch from ran_p50)::double precision as ran_p50,
            extract(epoch from ran_p95)::double precision as ran_p95
        from ringback.latency_by_task
        order by task
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(Stats {
        at,
        live,
        tasks,
        workers: fleet::workers_alive(&mut *connection).await?,
        gateways: fleet::gateways_alive(connection).await?,
    })
}

/// How many live jobs are in which state, and when that was.
pub(super) async fn live(
    executor: impl PgExecutor<'_>,
) -> Result<(Timestamp, LiveJobs), sqlx::Error> {
    let live = sqlx::query!(
        r#"
        select
            count(*) filter (where state = 'scheduled') as "scheduled!",
            count(*) filter (where state = 'held') as "held!",
            count(*) filter (where state = 'ready') as "ready!",
            count(*) filter (where state = 'running') as "running!",
            count(*) filter (where state = 'waiting') as "waiting!",
            extract(epoch from clock_timestamp() - min(run_at) filter (where state = 'ready'))::double precision
                as oldest_wait,
            (extract(epoch from clock_timestamp()) * 1000000)::bigint as "now!"
        from ringback.job
        "#
    )
    .fetch_one(executor)
    .await?;
    let jobs = LiveJobs {
        scheduled: live.scheduled,
        held: live.held,
        ready: live.ready,
        running: live.running,
        waiting: live.waiting,
        oldest_wait: live.oldest_wait,
    };
    Ok((time(live.now)?, jobs))
}
