//! What became of jobs.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::ids::{GatewayId, JobId, SessionId};

/// What became of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The job.
    pub id: JobId,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// Its result, as JSON.
    pub result: Option<String>,
    /// A stable code of why it failed.
    pub error_code: Option<String>,
    /// A sentence about it.
    pub error: Option<String>,
    /// How many attempts were made.
    pub attempt: i32,
    /// The trace that it is a part of.
    pub traceparent: Option<String>,
    /// Whether it waits in the mailbox of its session.
    pub unread: bool,
    /// How long ago it has ended, in seconds.
    pub since: f64,
    /// The gateway that has a socket of its session.
    pub home: Option<GatewayId>,
}

/// Those of the given jobs that are over.
///
/// # Errors
/// Those of the database.
pub async fn outcomes(
    executor: impl PgExecutor<'_>,
    ids: &[JobId],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_file_as!(Outcome, "src/queue/outcomes.sql", &ids)
        .fetch_all(executor)
        .await
}
