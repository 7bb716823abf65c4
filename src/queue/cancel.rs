//! Jobs that are no longer wanted.

use sqlx::PgConnection;
use uuid::Uuid;

use super::partitions;
use crate::ids::{ConnectionId, JobId, SessionId, WorkerId};
use crate::postgres::Fault;
use crate::postgres::link::limited;

/// The channel that says which jobs of a worker are to end: its id, then theirs.
pub const CANCEL_CHANNEL: &str = "ringback_cancel";

/// What became of a wish to cancel a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and has ended.
    Ended,
    /// It runs, and its worker is told.
    Asked,
    /// It was over before, in this state; nothing has changed.
    Over(String),
    /// There is no such job, or it is another's.
    NotFound,
}

/// Who wants a job to end, and may say so.
#[derive(Clone, Debug)]
pub enum Canceller {
    /// Whoever holds the database.
    Operator,
    /// A client.
    Client {
        /// Whose jobs it may end.
        owner: String,
        /// Only those of its session,
        session: Option<SessionId>,
        /// or of this socket,
        connection: ConnectionId,
        /// or those that it waits for, because it has asked for them as well.
        waits_for: Vec<JobId>,
    },
}

/// Cancels a job: one that does not run ends at once; one that runs is asked to end.
///
/// # Errors
/// Those of the database.
pub async fn cancel(
    connection: &mut PgConnection,
    job: JobId,
    canceller: &Canceller,
) -> Result<Cancelled, sqlx::Error> {
    let mut hints = true;
    loop {
        match limited(ask(connection, job, canceller, hints)).await {
            Err(error) if hints && Fault::of(&error) == Fault::Hints => hints = false,
            Err(error) if Fault::of(&error) == Fault::Partition => {
                limited(partitions::make_for(connection, &[job])).await?;
                return limited(ask(connection, job, canceller, hints)).await;
            }
            answer => return answer,
        }
    }
}

async fn ask(
    connection: &mut PgConnection,
    job: JobId,
    canceller: &Canceller,
    hints: bool,
) -> Result<Cancelled, sqlx::Error> {
    let Who {
        owner,
        session,
        socket,
        waits_for,
    } = Who::from(canceller);
    let found = sqlx::query_file!(
        "src/queue/cancel.sql",
        &[job.0],
        owner,
        session,
        socket,
        &waits_for,
        hints
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(found) = found {
        return Ok(if found.runs {
            Cancelled::Asked
        } else {
            Cancelled::Ended
        });
    }
    // Only now: what was ending the job while we waited for it is seen to have done so.
    let state = sqlx::query_scalar!(
        r#"
        select state from ringback.job_history
        where id = $1
            and (
                $2::text is null
                or (owner = $2 and (session_id = $3::uuid or connection_id = $4::uuid or id = any ($5::uuid[])))
            )
        "#,
        job.0,
        owner,
        session,
        socket,
        &waits_for
    )
    .fetch_optional(connection)
    .await?;
    Ok(state.map_or(Cancelled::NotFound, Cancelled::Over))
}

/// A [`Canceller`] as the statements take it.
struct Who<'a> {
    owner: Option<&'a str>,
    session: Option<Uuid>,
    socket: Option<Uuid>,
    waits_for: Vec<Uuid>,
}

impl<'a> From<&'a Canceller> for Who<'a> {
    fn from(canceller: &'a Canceller) -> Self {
        match canceller {
            Canceller::Operator => Self {
                owner: None,
                session: None,
                socket: None,
                waits_for: Vec::new(),
            },
            Canceller::Client {
                owner,
                session,
                connection,
                waits_for,
            } => Self {
                owner: Some(owner),
                session: session.map(|session| session.0),
                socket: Some(connection.0),
                waits_for: waits_for.iter().map(|job| job.0).collect(),
            },
        }
    }
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
        where worker_id = $1 and state in ('running', 'waiting') and cancel_requested_at is not null
        "#,
        worker.0
    )
    .fetch_all(connection)
    .await
}
