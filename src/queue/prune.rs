//! Deleting jobs that are over before their time, because somebody wants it: in small batches, and by whole days where
//! everything in them is meant.

use std::time::Duration;

use sqlx::PgConnection;

use super::expire::{Old, before, delete_old, floor, look};
use super::jobs::names;
use super::partitions::{self, Kind, Let, Part};
use super::turn;
use crate::wire::JobState;

/// What is younger may still be on its way to whoever waits for it.
pub const YOUNGEST: Duration = Duration::from_secs(3_600);

/// How many jobs one statement counts, at most.
const COUNTED: i64 = 10_000;

/// How often somebody who has the turn is asked for it.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Which jobs to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prune {
    /// Those that ended longer ago,
    pub older: Duration,
    /// in one of these states; none is any,
    pub states: Vec<JobState>,
    /// of this task, or asked for by this name,
    pub task: Option<String>,
    /// in this queue.
    pub queue: Option<String>,
}

/// What it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody else is just letting go of parts of the history, and is waited for.
    Waits,
    /// So many jobs more are deleted.
    Deleted(u64),
}

/// The jobs that are meant, and where they are.
#[derive(Debug)]
pub struct Found {
    old: Old,
    days: Vec<(Part, u64)>,
}

impl Found {
    /// How many there are.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.days.iter().map(|(_, jobs)| jobs).sum()
    }

    /// Before when they ended, in seconds since 1970: what ends later is not one of them.
    #[must_use]
    pub fn before(&self) -> f64 {
        self.old.before
    }

    /// Whether nothing but their age says which they are.
    fn is_all(&self) -> bool {
        let all = Old {
            before: self.old.before,
            ..Old::default()
        };
        self.old == all
    }
}

/// Finds the jobs that are over and meant, but those that a session still has to be told of, or that a key leads to.
///
/// # Errors
/// Those of the database.
pub async fn find(connection: &mut PgConnection, prune: &Prune) -> Result<Found, sqlx::Error> {
    let before_then = sqlx::query_scalar!(
        r#"select extract(epoch from clock_timestamp() - make_interval(secs => $1))::double precision as "before!""#,
        prune.older.as_secs_f64()
    )
    .fetch_one(&mut *connection)
    .await?;
    let old = Old {
        before: before_then,
        states: names(&prune.states),
        task: prune.task.clone(),
        queue: prune.queue.clone(),
    };
    let mut days = Vec::new();
    for part in partitions::before(connection, floor(before_then)).await? {
        if part.kind != Kind::History {
            continue;
        }
        let mut jobs = 0;
        let mut after = Some(before(part.first));
        while let Some(from) = after {
            let page = look(connection, &part, &old, from, COUNTED).await?;
            jobs += u64::try_from(page.old.len()).unwrap_or_default();
            after = page.last;
        }
        if jobs > 0 {
            days.push((part, jobs));
        }
    }
    Ok(Found { old, days })
}

/// Whether the history is exported, and what is deleted by hand is not.
///
/// # Errors
/// Those of the database.
pub async fn is_exported(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select exists (select from ringback.exporter) as "exported!""#)
        .fetch_one(connection)
        .await
}

/// Deletes what was found, with its attempts and texts, the oldest first, and tells `progress` of every batch. It waits for
/// whoever is just letting go of parts of the history, and tells of that before.
///
/// Whoever is interrupted has deleted some of it; of the jobs that it was at, the texts and attempts may have gone first.
///
/// # Errors
/// Those of the database.
pub async fn prune(
    connection: &mut PgConnection,
    found: &Found,
    mut progress: impl FnMut(Step),
) -> Result<(), sqlx::Error> {
    let mut is_ours = turn::take(connection).await?;
    if !is_ours {
        progress(Step::Waits);
    }
    while !is_ours {
        tokio::time::sleep(ASK_EVERY).await;
        is_ours = turn::take(connection).await?;
    }
    let mut deleted = |jobs| progress(Step::Deleted(jobs));
    let pruned = prune_in_turn(connection, found, &mut deleted).await;
    turn::give_back(connection).await?;
    pruned
}

async fn prune_in_turn(
    connection: &mut PgConnection,
    found: &Found,
    deleted: &mut impl FnMut(u64),
) -> Result<(), sqlx::Error> {
    for (part, jobs) in &found.days {
        if found.is_all() && drop_day(connection, part, found.old.before).await? {
            deleted(*jobs);
        } else {
            delete_old(connection, part, &found.old, false, &mut *deleted).await?;
        }
    }
    Ok(())
}

/// Drops the partitions of a day, where everything in them is meant and nobody holds them up.
async fn drop_day(
    connection: &mut PgConnection,
    day: &Part,
    before: f64,
) -> Result<bool, sqlx::Error> {
    if day.end > floor(before) || !partitions::is_over(connection, day, before).await? {
        return Ok(false);
    }
    let held = partitions::held(connection).await?;
    let all = partitions::before(connection, day.end).await?;
    let mut gone = false;
    // What belongs to the jobs first: where a reader holds that up, the jobs go one by one, with the rest of it.
    for part in all.into_iter().filter(|part| part.first == day.first) {
        if held.contains(&part.kind)
            || partitions::detach(connection, &part).await? == Let::HeldUp
            || partitions::drop_table(connection, &part.name).await? == Let::HeldUp
        {
            // A history that is on its way out is not seen any more; one whose way has not begun is.
            let held = partitions::held(connection).await?;
            return Ok(part.kind == Kind::History && held.contains(&part.kind));
        }
        gone |= part.kind == Kind::History;
    }
    Ok(gone)
}
