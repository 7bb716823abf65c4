//! What moves jobs without anybody asking: what is due becomes ready, what a lost worker held is taken back.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use super::partitions;
use crate::postgres::{Fault, Link};

/// How long a worker may be silent before its jobs are given to others, by the database's clock.
pub const LEASE: Duration = Duration::from_secs(15);

/// How often a job may lose its worker before it ends as failed.
const MAX_CRASHES: i32 = 3;

/// How many jobs one statement moves, at most.
const BATCH: i64 = 1_000;

/// How many statements promote at once.
const PROMOTED_AT_ONCE: usize = 5;

/// How much of what was due is ready now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promoted {
    /// All of it.
    All,
    /// As much as is done at once.
    Some,
}

impl Promoted {
    /// Whether there may be more.
    #[must_use]
    pub fn is_more(self) -> bool {
        self == Self::Some
    }
}

/// Makes ready what has become due, or as much of it as is done at once: other things are due as well.
///
/// # Errors
/// Those of the database.
pub async fn promote(link: &mut Link) -> Result<Promoted, sqlx::Error> {
    for _ in 0..PROMOTED_AT_ONCE {
        if with_or_without_hints(link, promote_some).await? < BATCH {
            return Ok(Promoted::All);
        }
    }
    Ok(Promoted::Some)
}

/// Takes back the jobs of silent workers.
///
/// # Errors
/// Those of the database.
pub async fn recover(link: &mut Link) -> Result<(), sqlx::Error> {
    loop {
        let moved = match with_or_without_hints(link, recover_some).await {
            // What is taken back leaves a trace in the partition of its day.
            Err(error) if Fault::of(&error) == Fault::Partition => {
                let made = link.run(async |it| partitions::make_for_running(it).await);
                made.await?;
                with_or_without_hints(link, recover_some).await?
            }
            moved => moved?,
        };
        if moved < BATCH {
            return Ok(());
        }
    }
}

/// Moves some jobs, with hints or without, and answers how many.
type Statement = for<'c> fn(&'c mut PgConnection, bool) -> BoxFuture<'c, Result<i64, sqlx::Error>>;

async fn with_or_without_hints(link: &mut Link, statement: Statement) -> Result<i64, sqlx::Error> {
    match link
        .run(async |connection| statement(connection, true).await)
        .await
    {
        Err(error) if Fault::is_lost_hint(&error) => {
            link.run(async |connection| statement(connection, false).await)
                .await
        }
        result => result,
    }
}

fn promote_some(
    connection: &mut PgConnection,
    hints: bool,
) -> BoxFuture<'_, Result<i64, sqlx::Error>> {
    Box::pin(async move {
        let done = sqlx::query_file!("src/queue/promote.sql", BATCH, hints)
            .fetch_one(connection)
            .await?;
        Ok(done.promoted)
    })
}

fn recover_some(
    connection: &mut PgConnection,
    hints: bool,
) -> BoxFuture<'_, Result<i64, sqlx::Error>> {
    Box::pin(async move {
        let done = sqlx::query_file!(
            "src/queue/recover.sql",
            LEASE.as_secs_f64(),
            MAX_CRASHES,
            BATCH,
            hints
        )
        .fetch_one(connection)
        .await?;
        let moved = done.put_back + done.ended;
        if moved > 0 {
            tracing::warn!(
                put_back = done.put_back,
                ended = done.ended,
                "took back the jobs of silent workers"
            );
        }
        Ok(moved)
    })
}
