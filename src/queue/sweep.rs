//! What a sweep finds to do: jobs whose time has come or is over, limits with room, workers that have fallen silent.

use std::time::Duration;

use sqlx::PgConnection;

use super::recover::LEASE;
use super::samples;

/// What there is to do, and when there will be more.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// The database's time, since 1970.
    pub now: Duration,
    /// Scheduled jobs are due.
    pub scheduled: bool,
    /// There is a reason to look at a limit.
    pub limits: bool,
    /// Recurring jobs are due.
    pub recurring: bool,
    /// Jobs have waited in vain to be called back.
    pub overdue: bool,
    /// A worker has been silent for its lease, and may have left jobs behind.
    pub silent: bool,
    /// A sample of how things are is due.
    pub sample: bool,
    /// After what time something will be due that is not yet, if that is known.
    pub next: Option<Duration>,
}

/// Looks what there is to do, and changes nothing: most of the time this is all that a sweep asks.
///
/// # Errors
/// Those of the database.
pub async fn look(connection: &mut PgConnection) -> Result<Work, sqlx::Error> {
    let found = sqlx::query_file!(
        "src/queue/sweep.sql",
        LEASE.as_secs_f64(),
        samples::SPAN.as_secs_f64(),
        samples::SETTLED.as_secs_f64()
    )
    .fetch_one(connection)
    .await?;
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(Work {
        now: seconds(found.now),
        scheduled: found.scheduled,
        limits: found.limits,
        recurring: found.recurring,
        overdue: found.overdue,
        silent: found.silent,
        sample: found.sample,
        next: found.later.map(seconds),
    })
}
