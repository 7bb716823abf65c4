//! Deleting jobs of the history one by one, with what belongs to them: in small batches, each by itself, between which
//! others go on.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::partitions::{Kind, Part};
use super::floor;
use crate::postgres::link::limited;

/// How many rows of a table one statement looks at and deletes, at most.
pub(in crate::queue) const BATCH: i64 = 1_000;

/// How far the time in the id of a job may be after its end, in seconds: clocks are measured, and not the same.
const NEAR: f64 = 60.0;

/// Which jobs are old.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::queue) struct Old {
    /// Those that ended before then, in seconds since 1970,
    pub(in crate::queue) before: f64,
    /// in one of these states,
    pub(in crate::queue) states: Option<Vec<String>>,
    /// of this task, or asked for by this name,
    pub(in crate::queue) task: Option<String>,
    /// in this queue.
    pub(in crate::queue) queue: Option<String>,
}

/// Some jobs, and where to look for more.
#[derive(Debug)]
pub(in crate::queue) struct Page {
    /// Those that are old, and that nobody needs.
    pub(in crate::queue) old: Vec<Uuid>,
    /// The last one that was looked at, where there may be more.
    pub(in crate::queue) last: Option<Uuid>,
}

/// Looks at the next `limit` jobs of a day.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn look(
    connection: &mut PgConnection,
    part: &Part,
    old: &Old,
    after: Uuid,
    limit: i64,
) -> Result<Page, sqlx::Error> {
    let page = sqlx::query_file!(
        "src/queue/expire/old.sql",
        after,
        part.end.min(floor(old.before + NEAR)),
        limit,
        old.before,
        old.states.as_deref(),
        old.task,
        old.queue,
        part.kind == Kind::History
    );
    let page = limited(page.fetch_one(connection)).await?;
    Ok(Page {
        old: page.old,
        last: page.last.filter(|_| page.looked_at == limit),
    })
}

/// Deletes the old jobs of a day, or, of a partition of texts, the texts of these; tells `progress` of every batch of jobs.
/// `aside` says whether they are to be exported.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn delete_old(
    connection: &mut PgConnection,
    part: &Part,
    old: &Old,
    aside: bool,
    mut progress: impl FnMut(u64),
) -> Result<(), sqlx::Error> {
    // Each batch starts where the last one ended: what that deleted stays in the index for a while.
    let mut after = Some(before(part.first));
    while let Some(from) = after {
        let page = look(connection, part, old, from, BATCH).await?;
        after = page.last;
        if page.old.is_empty() {
            continue;
        }
        while delete(connection, Kind::Events, part, &page.old, aside).await? == BATCH {}
        if part.kind == Kind::Events {
            continue;
        }
        while delete(connection, Kind::Attempts, part, &page.old, aside).await? == BATCH {}
        let deleted = delete(connection, Kind::History, part, &page.old, aside).await?;
        progress(deleted.unsigned_abs());
    }
    Ok(())
}

async fn delete(
    connection: &mut PgConnection,
    kind: Kind,
    part: &Part,
    jobs: &[Uuid],
    aside: bool,
) -> Result<i64, sqlx::Error> {
    let (first, end) = (part.first, part.end);
    limited(async {
        match kind {
            Kind::History => {
                sqlx::query_file_scalar!("src/queue/expire/jobs.sql", jobs, first, end, aside)
                    .fetch_one(connection)
                    .await
            }
            Kind::Attempts => {
                let file = sqlx::query_file_scalar!(
                    "src/queue/expire/attempts.sql",
                    jobs,
                    first,
                    end,
                    BATCH,
                    aside
                );
                file.fetch_one(connection).await
            }
            Kind::Events => {
                let file = sqlx::query_file_scalar!(
                    "src/queue/expire/events.sql",
                    jobs,
                    first,
                    end,
                    BATCH,
                    aside
                );
                file.fetch_one(connection).await
            }
        }
    })
    .await
}

/// The id before which nothing belongs to a day.
pub(in crate::queue) fn before(first: Uuid) -> Uuid {
    Uuid::from_u128(first.as_u128().saturating_sub(1))
}
