//! Jobs that are given another chance.
//!
//! A job that is over stays what it is, and so does what its client was told: to retry it is to submit the same again,
//! as a new job. The old one says which, so that whoever asks twice gets one.

use sqlx::PgConnection;

use super::actor::{Actor, Theirs};
use crate::ids::{GatewayId, JobId};
use crate::postgres::Fault;
use crate::postgres::link::limited;
use crate::wire::JobState;

/// What became of a wish to retry a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It was waiting for its time, which is now; or it was due already.
    Due(JobId),
    /// It had failed or was cancelled, and the same is submitted as this job.
    Again(JobId),
    /// Somebody has done so before, with this job; nothing has changed.
    Known(JobId),
    /// It runs, or has succeeded: there is nothing to retry, and nothing has changed.
    Not(JobState),
    /// There is no such job, or it is another's.
    NotFound,
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
    match limited(ask(connection, old, new, actor, gateway, true)).await {
        Err(error) if Fault::of(&error) == Fault::Hints => {
            limited(ask(connection, old, new, actor, gateway, false)).await
        }
        answer => answer,
    }
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
        select job_id as "job!: JobId", became as "became!", job_state as "state!"
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
    let Some(row) = row else {
        return Ok(Retried::NotFound);
    };
    Ok(match row.became.as_str() {
        "due" => Retried::Due(row.job),
        "again" => Retried::Again(row.job),
        "known" => Retried::Known(row.job),
        _ => Retried::Not(super::jobs::state(row.job, &row.state)?),
    })
}
