//! Workers and gateways that are gone: forgotten after a while, once nothing of theirs is left.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::PgConnection;

use crate::postgres::Link;

/// How many rows one statement deletes, at most.
const BATCH: i64 = 500;

/// Deletes the rows of workers and gateways that went longer than `keep` ago. A worker that may have left a job behind
/// is kept until that is taken back, and one that is not known to be gone until it is.
///
/// # Errors
/// Those of the database.
pub async fn forget(link: &mut Link, keep: Duration) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| forget_workers(connection, keep).boxed())
        .await?;
    link.run_to_the_end(|connection| forget_gateways(connection, keep).boxed())
        .await
}

/// Some of them; answers whether there may be more.
async fn forget_workers(
    connection: &mut PgConnection,
    keep: Duration,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"
            delete from ringback.worker
            where id = any (array(
                select worker.id from ringback.worker
                where worker.gone_at < clock_timestamp() - make_interval(secs => $1)
                    and (
                        select job.id from ringback.job
                        where job.worker_id = worker.id and job.state = 'running'
                        limit 1
                    ) is null
                    -- No index finds those that wait by their worker: all are read once, and not once for each worker.
                    and (
                        worker.id in (select job.worker_id from ringback.job where job.state = 'waiting')
                    ) is not true
                limit $2
                for update skip locked
            ))
            "#,
        keep.as_secs_f64(),
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}

/// Some of them; answers whether there may be more.
async fn forget_gateways(
    connection: &mut PgConnection,
    keep: Duration,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"
            delete from ringback.gateway
            where id = any (array(
                select id from ringback.gateway
                where beat_at < clock_timestamp() - make_interval(secs => $1)
                limit $2
                for update skip locked
            ))
            "#,
        keep.as_secs_f64(),
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}
