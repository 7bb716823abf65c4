//! Jobs that are given another chance.
//!
//! A job that is over stays what it is, and so does what its client was told: to retry it is to submit the same again,
//! as a new job. The old one says which, so that whoever asks twice gets one.

use sqlx::PgConnection;
use uuid::Uuid;

use super::actor::{Actor, Theirs};
use crate::ids::{GatewayId, JobId};
use crate::postgres::Fault;
use crate::wire::JobState;

/// What became of a wish to retry a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It was waiting for its time, which is now; or it was due already.
    Due(JobId),
    /// It had failed or was cancelled, and the same is submitted as this job.
    Again(Submitted),
    /// Somebody has done so before, with this job; nothing has changed.
    Known(Submitted),
    /// It runs, or has succeeded: there is nothing to retry, and nothing has changed.
    Not(JobState),
    /// There is no such job, or it is another's.
    NotFound,
}

/// The id of a job that is still to be made.
///
/// # Errors
/// Those of the database.
pub async fn new_id(connection: &mut PgConnection) -> Result<JobId, sqlx::Error> {
    sqlx::query_scalar!(r#"select ringback.uuid_new() as "id!: JobId""#)
        .fetch_one(connection)
        .await
}

/// A job that is another chance of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub job: JobId,
    /// Whether whoever asked for the first one wanted to hear of it while it runs.
    pub stream: bool,
}

/// Retries `old`; one that is over as the job `new`, or any new one, for whoever asks at `gateway`.
///
/// # Errors
/// Those of the database.
pub async fn retry(
    connection: &mut PgConnection,
    old: JobId,
    new: Option<JobId>,
    actor: &Actor,
    gateway: Option<GatewayId>,
) -> Result<Retried, sqlx::Error> {
    match ask(connection, old, new, actor, gateway, true).await {
        Err(error) if Fault::is_lost_hint(&error) => {
            ask(connection, old, new, actor, gateway, false).await
        }
        answer => answer,
    }
}

/// The same for many, each as any new job; answers for those that were found. It all happens, or nothing does.
///
/// # Errors
/// Those of the database.
pub async fn retry_all(
    connection: &mut PgConnection,
    jobs: &[JobId],
    actor: &Actor,
) -> Result<Vec<(JobId, Retried)>, sqlx::Error> {
    match ask_all(connection, jobs, actor, true).await {
        Err(error) if Fault::is_lost_hint(&error) => ask_all(connection, jobs, actor, false).await,
        answer => answer,
    }
}

async fn ask_all(
    connection: &mut PgConnection,
    jobs: &[JobId],
    actor: &Actor,
    hints: bool,
) -> Result<Vec<(JobId, Retried)>, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let theirs = Theirs::from(actor);
    let rows = sqlx::query!(
        r#"
        select
            wanted.id as "old!: JobId", retried.job_id as "job!: JobId", retried.became as "became!",
            retried.job_state as "state!", retried.job_stream as "stream!"
        from (select distinct id from unnest($1::uuid[]) as given (id) order by id) as wanted
        cross join lateral ringback.retry_job(
            wanted.id, of_owner => $2, of_session => $3, of_connection => $4, waited_for => $5, with_hints => $6
        ) as retried
        "#,
        &ids,
        theirs.owner,
        theirs.session,
        theirs.connection,
        &theirs.waits_for,
        hints
    )
    .fetch_all(connection)
    .await?;
    let answers = rows.into_iter().map(|row| {
        let retried = read(row.job, row.stream, &row.became, &row.state)?;
        Ok((row.old, retried))
    });
    answers.collect()
}

async fn ask(
    connection: &mut PgConnection,
    old: JobId,
    new: Option<JobId>,
    actor: &Actor,
    gateway: Option<GatewayId>,
    hints: bool,
) -> Result<Retried, sqlx::Error> {
    let theirs = Theirs::from(actor);
    let row = sqlx::query!(
        r#"
        select job_id as "job!: JobId", became as "became!", job_state as "state!", job_stream as "stream!"
        from ringback.retry_job($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        old.0,
        new.map(|new| new.0),
        theirs.owner,
        theirs.session,
        theirs.connection,
        &theirs.waits_for,
        gateway.map(|gateway| gateway.0),
        hints
    )
    .fetch_optional(connection)
    .await?;
    row.map_or(Ok(Retried::NotFound), |row| {
        read(row.job, row.stream, &row.became, &row.state)
    })
}

fn read(job: JobId, stream: bool, became: &str, state: &str) -> Result<Retried, sqlx::Error> {
    Ok(match became {
        "due" => Retried::Due(job),
        "again" => Retried::Again(Submitted { job, stream }),
        "known" => Retried::Known(Submitted { job, stream }),
        _ => Retried::Not(super::jobs::state(job, state)?),
    })
}
