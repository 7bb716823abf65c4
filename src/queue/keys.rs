//! Idempotency keys: the same submission, made again, is the same job.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{ConnectionId, GatewayId, JobId};
use crate::postgres::Link;

/// How many keys one statement deletes, at most.
const BATCH: i64 = 1_000;

/// An idempotency key: whoever submits again with it, as the same owner, is given the same job.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// What the client calls it.
    pub name: String,
    /// For how long it is remembered.
    pub keep: Duration,
}

/// A submission that was not stored, because its key was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The id that was made for it, and that no job has.
    pub submitted: JobId,
    /// The job that the key was used for.
    pub job: JobId,
    /// Whether that job is what was asked for now.
    pub same: bool,
}

/// Addresses jobs to those who have asked for them again, each to its socket at `gateway`.
///
/// # Errors
/// Those of the database.
pub async fn readdress(
    connection: &mut PgConnection,
    jobs: &[(JobId, ConnectionId)],
    gateway: GatewayId,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|(job, _)| job.0).collect();
    let connections: Vec<Uuid> = jobs.iter().map(|(_, connection)| connection.0).collect();
    sqlx::query!(
        r#"
        update ringback.job
        set connection_id = given.connection_id, gateway_id = $3
        from (
            select distinct on (id) id, connection_id
            from unnest($1::uuid[], $2::uuid[]) as given (id, connection_id)
        ) as given
        where job.id = any ($1) and job.id = given.id
        "#,
        &ids,
        &connections,
        gateway.0
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Forgets the keys whose time is over.
///
/// # Errors
/// Those of the database.
pub async fn expire(link: &mut Link) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| expire_some(connection).boxed())
        .await
}

/// Some of it; answers whether there may be more.
async fn expire_some(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"
            delete from ringback.idempotency
            where ctid = any (array(
                select ctid from ringback.idempotency
                where expires_at < now()
                limit $1
                for update skip locked
            ))
            "#,
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}
