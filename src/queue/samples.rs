//! How things were over time: samples of ten seconds, taken by whichever process comes first.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{PgConnection, PgExecutor};

use super::jobs::time;
use crate::postgres::Link;
use crate::wire::{Sample, SampleList};

/// What a sample is about.
pub const SPAN: Duration = Duration::from_secs(10);

/// The longest time that is told of.
pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How many one statement deletes, at most.
const BATCH: i64 = 1_000;

/// How long such a time has been over before it is looked at: what ends in it is committed a moment later.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

/// How many samples one answer has, at most; a longer time is told in longer steps.
const MOST: u64 = 360;

/// Takes the sample that is due, if one is and nobody else does.
///
/// # Errors
/// Those of the database.
pub async fn take(executor: impl PgExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "src/queue/sample.sql",
        SPAN.as_secs_f64(),
        SETTLED.as_secs_f64()
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Deletes those that are older than `keep`.
///
/// # Errors
/// Those of the database.
pub async fn expire(link: &mut Link, keep: Duration) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| expire_some(connection, keep).boxed())
        .await
}

/// Some of it; answers whether there may be more.
async fn expire_some(connection: &mut PgConnection, keep: Duration) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"
            delete from ringback.sample
            where at = any (array(
                select at from ringback.sample
                where at < clock_timestamp() - make_interval(secs => $1)
                order by at
                limit $2
            ))
            "#,
        keep.as_secs_f64(),
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}

/// The newest sample, if there is one.
///
/// # Errors
/// Those of the database.
pub async fn newest(executor: impl PgExecutor<'_>) -> Result<Option<Sample>, sqlx::Error> {
    let Some(row) = sqlx::query_as!(
        Row,
        r#"
        select
            (extract(epoch from at) * 1000000)::bigint as "at!", seconds::double precision as "seconds!",
            scheduled as "scheduled!", held as "held!", ready as "ready!", running as "running!", waiting as "waiting!",
            succeeded as "succeeded!", failed as "failed!", cancelled as "cancelled!",
            waited_p50, waited_p95, waited_p99, ran_p50, ran_p95, ran_p99
        from ringback.sample
        order by sample.at desc
        limit 1
        "#
    )
    .fetch_optional(executor)
    .await?
    else {
        return Ok(None);
    };
    row.sample().map(Some)
}

/// How things were during the last `span`, the oldest first: in steps long enough that there are not too many.
///
/// Of the samples in a step, counts are those at its end, what ended is added up, and of the percentiles the worst is
/// told.
///
/// # Errors
/// Those of the database.
pub async fn during(
    executor: impl PgExecutor<'_>,
    span: Duration,
) -> Result<SampleList, sqlx::Error> {
    let step = SPAN.as_secs() * span.as_secs().div_ceil(SPAN.as_secs() * MOST).max(1);
    let seconds = i32::try_from(step).unwrap_or(i32::MAX);
    let rows = sqlx::query_as!(
        Row,
        r#"
        select
            (extract(epoch from max(at)) * 1000000)::bigint as "at!",
            sum(seconds)::double precision as "seconds!",
            (array_agg(scheduled order by at desc))[1] as "scheduled!",
            (array_agg(held order by at desc))[1] as "held!",
            (array_agg(ready order by at desc))[1] as "ready!",
            (array_agg(running order by at desc))[1] as "running!",
            (array_agg(waiting order by at desc))[1] as "waiting!",
            sum(succeeded)::bigint as "succeeded!", sum(failed)::bigint as "failed!", sum(cancelled)::bigint as "cancelled!",
            max(waited_p50) as waited_p50, max(waited_p95) as waited_p95, max(waited_p99) as waited_p99,
            max(ran_p50) as ran_p50, max(ran_p95) as ran_p95, max(ran_p99) as ran_p99
        from ringback.sample
        where at > clock_timestamp() - make_interval(secs => $1)
        -- By their ends: a step has those after the end of the one before.
        group by ceil(extract(epoch from at) / $2::integer)
        order by max(at)
        "#,
        span.as_secs_f64(),
        seconds
    )
    .fetch_all(executor)
    .await?;
    let samples: Result<Vec<Sample>, sqlx::Error> = rows.into_iter().map(Row::sample).collect();
    Ok(SampleList {
        step,
        samples: samples?,
    })
}

/// A sample as the statement answers it; times are in microseconds since 1970.
struct Row {
    at: i64,
    seconds: f64,
    scheduled: i64,
    held: i64,
    ready: i64,
    running: i64,
    waiting: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    waited_p50: Option<f64>,
    waited_p95: Option<f64>,
    waited_p99: Option<f64>,
    ran_p50: Option<f64>,
    ran_p95: Option<f64>,
    ran_p99: Option<f64>,
}

impl Row {
    fn sample(self) -> Result<Sample, sqlx::Error> {
        Ok(Sample {
            at: time(self.at)?,
            seconds: self.seconds,
            scheduled: self.scheduled,
            held: self.held,
            ready: self.ready,
            running: self.running,
            waiting: self.waiting,
            succeeded: self.succeeded,
            failed: self.failed,
            cancelled: self.cancelled,
            waited_p50: self.waited_p50,
            waited_p95: self.waited_p95,
            waited_p99: self.waited_p99,
            ran_p50: self.ran_p50,
            ran_p95: self.ran_p95,
            ran_p99: self.ran_p99,
        })
    }
}
