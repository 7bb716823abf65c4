//! Workers and gateways that are gone: forgotten after a while, once nothing of theirs is left.

use std::time::Duration;

use sqlx::PgConnection;

use crate::postgres::link::limited;

/// How many rows one statement deletes, at most.
const BATCH: i64 = 500;

/// Deletes the rows of workers and gateways that went longer than `keep` ago. A worker that may have left a job behind
/// is kept until that is taken back, and one that is not known to be gone until it is.
///
/// # Errors
/// Those of the database.
pub async fn forget(connection: &mut PgConnection, keep: Duration) -> Result<(), sqlx::Error> {
    loop {
        let gone = sqlx::query!(
            r#"
            delete from ringback.worker
            where id = any (array(
                select worker.id from ringback.worker
                where worker.gone_at < clock_timestamp() - make_interval(secs => $1)
                    and (
                        select job.id from ringback.job
                        where job.worker_id = worker.id and job.state in ('running', 'waiting')
                        limit 1
                    ) is null
                limit $2
                for update skip locked
            ))
            "#,
            keep.as_secs_f64(),
            BATCH
        );
        let deleted = limited(gone.execute(&mut *connection)).await?;
        if deleted.rows_affected() < BATCH.unsigned_abs() {
            break;
        }
    }
    loop {
        let gone = sqlx::query!(
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
        let deleted = limited(gone.execute(&mut *connection)).await?;
        if deleted.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}
