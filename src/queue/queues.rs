//! Queues: how full they are, and whether they go on.

use sqlx::{PgConnection, PgExecutor};

use crate::postgres::{Fault, code};
use crate::wire::Queue;

/// Pauses a queue: from the next claim on, no worker takes a job of it. What runs goes on.
///
/// # Errors
/// Those of the database; [`is_unknown`] knows the one that there is no such queue.
pub async fn pause(executor: impl PgExecutor<'_>, queue: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select ringback.pause($1)", queue)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Whether the error says that there is no such queue.
#[must_use]
pub fn is_unknown(error: &sqlx::Error) -> bool {
    // no_data_found
    code(error).is_some_and(|code| code == "P0002")
}

/// Lets a paused queue go on.
///
/// # Errors
/// Those of the database.
pub async fn resume(connection: &mut PgConnection, queue: &str) -> Result<(), sqlx::Error> {
    match go_on(connection, queue, true).await {
        Err(error) if Fault::is_lost_hint(&error) => go_on(connection, queue, false).await,
        resumed => resumed,
    }
}

async fn go_on(connection: &mut PgConnection, queue: &str, hints: bool) -> Result<(), sqlx::Error> {
    sqlx::query!("select ringback.resume($1, $2)", queue, hints)
        .execute(connection)
        .await
        .map(|_| ())
}

/// All queues that have live jobs, are paused, or belong to a task.
///
/// # Errors
/// Those of the database.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<Queue>, sqlx::Error> {
    sqlx::query_as!(
        Queue,
        r#"
        select
            known.name as "name!",
            exists (
                select from ringback.queue where queue.name = known.name and queue.paused_at is not null
            ) as "paused!",
            count(job.id) filter (where job.state = 'ready') as "ready!",
            count(job.id) filter (where job.state = 'scheduled') as "scheduled!",
            count(job.id) filter (where job.state = 'held') as "held!",
            count(job.id) filter (where job.state = 'running') as "running!"
        from (
            select queue as name from ringback.task
            union
            select name from ringback.queue
            union
            select queue from ringback.job
        ) as known
        left join ringback.job on job.queue = known.name
        group by known.name
        order by known.name
        "#
    )
    .fetch_all(executor)
    .await
}
