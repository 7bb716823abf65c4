//! What operators do with what is not their own: recorded before it is done, so that nothing is done unrecorded.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{PgConnection, PgExecutor};

use crate::postgres::Link;

/// How many rows one statement deletes, at most.
const BATCH: i32 = 1_000;

/// Something that an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Ends jobs.
    CancelJobs,
    /// Gives jobs another chance.
    RetryJobs,
    /// Deletes jobs that are over.
    PruneJobs,
    /// Pauses a queue.
    PauseQueue,
    /// Lets a queue go on.
    ResumeQueue,
    /// Sends a notice to everyone.
    SendNotice,
    /// Adds or replaces a recurring job.
    SetRecurring,
    /// Removes a recurring job.
    RemoveRecurring,
}

impl Deed {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CancelJobs => "cancel_jobs",
            Self::RetryJobs => "retry_jobs",
            Self::PruneJobs => "prune_jobs",
            Self::PauseQueue => "pause_queue",
            Self::ResumeQueue => "resume_queue",
            Self::SendNotice => "send_notice",
            Self::SetRecurring => "set_recurring",
            Self::RemoveRecurring => "remove_recurring",
        }
    }
}

/// Records that `who` is about to do this, on these jobs, this queue, or with this text; without, whoever holds this
/// connection, by its role.
///
/// # Errors
/// Those of the database: then it is not to be done.
pub async fn record(
    executor: impl PgExecutor<'_>,
    who: Option<&str>,
    deed: Deed,
    on_what: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        insert into ringback.operator_log (kind, who, what, on_what)
        values (case when $1::text is null then 'role' else 'subject' end, coalesce($1, session_user), $2, $3)
        "#,
        who,
        deed.name(),
        on_what
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Forgets what was done longer than `keep` ago, but nothing of the last thirty days, whatever is asked for: the
/// database itself sees to that, since the program's role may not delete here.
///
/// # Errors
/// Those of the database.
pub async fn expire(link: &mut Link, keep: Duration) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| expire_some(connection, keep).boxed())
        .await
}

/// Some of it; answers whether there may be more.
async fn expire_some(connection: &mut PgConnection, keep: Duration) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query_scalar!(
        r#"select ringback.expire_operator_log(make_interval(secs => $1), $2) as "deleted!""#,
        keep.as_secs_f64(),
        BATCH
    );
    Ok(deleted.fetch_one(connection).await? == i64::from(BATCH))
}
