//! Jobs that are no longer wanted.

use sqlx::PgConnection;
use uuid::Uuid;

use super::actor::{Actor, Theirs};
use super::partitions;
use crate::ids::{JobId, WorkerId};
use crate::postgres::Fault;
use crate::wire::JobState;

/// The channel that says which jobs of a worker are to end: its id, then theirs.
pub const CANCEL_CHANNEL: &str = "ringback_cancel";

/// What became of a wish to cancel a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and has ended.
    Ended,
    /// It runs, and its worker is told.
    Asked,
    /// It was over before, in this state; nothing has changed.
    Over(JobState),
    /// There is no such job, or it is another's.
    NotFound,
}

/// Cancels a job: one that does not run ends at once; one that runs is asked to end.
///
/// # Errors
/// Those of the database.
pub async fn cancel(
    connection: &mut PgConnection,
    job: JobId,
    actor: &Actor,
) -> Result<Cancelled, sqlx::Error> {
    let became = cancel_all(connection, &[job], actor, &[]).await?;
    Ok(became
        .first()
        .map_or(Cancelled::NotFound, |(_, became)| *became))
}

/// The same for many, those only that are in one of `states` by then, if that says any; answers for those that were
/// found. It all happens, or nothing does.
///
/// # Errors
/// Those of the database.
pub async fn cancel_all(
    connection: &mut PgConnection,
    jobs: &[JobId],
    actor: &Actor,
    states: &[JobState],
) -> Result<Vec<(JobId, Cancelled)>, sqlx::Error> {
    let mut hints = true;
    loop {
        match ask(connection, jobs, actor, states, hints).await {
            Err(error) if hints && Fault::is_lost_hint(&error) => hints = false,
            Err(error) if Fault::of(&error) == Fault::Partition => {
                partitions::make_for(connection, jobs).await?;
                return ask(connection, jobs, actor, states, hints).await;
            }
            answer => return answer,
        }
    }
}

async fn ask(
    connection: &mut PgConnection,
    jobs: &[JobId],
    actor: &Actor,
    states: &[JobState],
    hints: bool,
) -> Result<Vec<(JobId, Cancelled)>, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let theirs = Theirs::from(actor);
    let states: Vec<String> = states.iter().map(|state| state.name().to_owned()).collect();
    let states = (!states.is_empty()).then_some(states);
    let rows = sqlx::query!(
        r#"
        select job_id as "job!: JobId", became as "became!", job_state as "state!"
        from ringback.cancel_jobs($1, $2, $3, $4, $5, $6, $7)
        "#,
        &ids,
        theirs.owner,
        theirs.session,
        theirs.connection,
        &theirs.waits_for,
        states.as_deref(),
        hints
    )
    .fetch_all(connection)
    .await?;
    let answers = rows.into_iter().map(|row| {
        let became = match row.became.as_str() {
            "ended" => Cancelled::Ended,
            "asked" => Cancelled::Asked,
            _ => Cancelled::Over(super::jobs::state(row.job, &row.state)?),
        };
        Ok((row.job, became))
    });
    answers.collect()
}

/// Those of the jobs that `worker` runs which it has been asked to end.
///
/// # Errors
/// Those of the database.
pub async fn asked_to_end(
    connection: &mut PgConnection,
    worker: WorkerId,
) -> Result<Vec<JobId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select id as "id: JobId" from ringback.job
        where worker_id = $1 and state = 'running' and cancel_requested_at is not null
        "#,
        worker.0
    )
    .fetch_all(connection)
    .await
}
