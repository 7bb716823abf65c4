//! Letting go of the history: whole days where nothing else is in them, old rows elsewhere, and first into a file where
//! that is wanted.

mod rows;

use std::path::Path;

use sqlx::PgConnection;
use uuid::Uuid;

use super::export::{self, Failed};
use super::partitions::{self, Kind, Let, Part};
use super::turn;
use crate::config::Keep;
use crate::ids::first_id;

pub(super) use rows::{Old, before, delete_old, look};

/// A day that is not over as a whole is waited for so long, and no longer than the history is kept: then its old rows go
/// alone. Most days go as a whole once the last of their jobs has expired.
const PATIENCE: f64 = 2.0 * DAY;
const DAY: f64 = 86_400.0;

/// Lets go of what ended longer ago than is kept; answers how many partitions were dropped.
///
/// One process at a time; the others have nothing to do. What a reader holds up is left for the next time, and so is what
/// cannot be exported.
///
/// # Errors
/// Those of the database.
pub async fn expire(connection: &mut PgConnection, keep: &Keep) -> Result<u32, sqlx::Error> {
    let mut dropped = 0;
    if !turn::take(connection).await? {
        return Ok(dropped);
    }
    let expired = expire_in_turn(connection, keep, &mut dropped).await;
    turn::give_back(connection).await?;
    match expired {
        Ok(()) => Ok(dropped),
        Err(Failed::Database(error)) => Err(error),
        Err(Failed::Folder(error)) => {
            tracing::error!(
                %error,
                "could not export the history, and keeps it until it can: make room, or let the program write there, or \
                 say another folder (RINGBACK_EXPORT_HISTORY)"
            );
            Ok(dropped)
        }
    }
}

async fn expire_in_turn(
    connection: &mut PgConnection,
    keep: &Keep,
    dropped: &mut u32,
) -> Result<(), Failed> {
    let folder = keep.export_history.as_deref();
    match folder {
        Some(folder) => export::begin(connection, folder).await?,
        None if export::is_anothers(connection).await? => return Ok(()),
        None => {}
    }
    let now = sqlx::query_scalar!(
        r#"select extract(epoch from clock_timestamp())::double precision as "now!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    let cutoffs = Cutoffs::new(now, keep);

    for (kind, name) in partitions::detached(connection).await? {
        if let Some(folder) = folder {
            export::partition(connection, folder, kind, &name).await?;
        }
        count(partitions::drop_table(connection, &name).await?, dropped);
    }
    if let Some(folder) = folder {
        export::aside(connection, folder).await?;
    }
    let mut held = partitions::held(connection).await?;
    let mut mixed = Vec::new();
    for part in partitions::before(connection, floor(cutoffs.latest())).await? {
        let cutoff = cutoffs.of(part.kind);
        if part.end <= floor(cutoff) && partitions::is_over(connection, &part, cutoff).await? {
            if held.contains(&part.kind) {
                continue;
            }
            if let Some(folder) = folder {
                export::partition(connection, folder, part.kind, &part.name).await?;
                // That may have taken long, and a session may have come back for one of them meanwhile: then the day goes
                // later, from the table alone.
                if !partitions::is_over(connection, &part, cutoff).await? {
                    continue;
                }
            }
            match partitions::detach(connection, &part).await? {
                Let::Gone => count(
                    partitions::drop_table(connection, &part.name).await?,
                    dropped,
                ),
                Let::HeldUp => {
                    tracing::info!(partition = %part.name, "a reader holds an expired partition; it is dropped later");
                    held.push(part.kind);
                }
            }
        } else {
            mixed.push(part);
        }
    }
    for part in mixed {
        delete_alone(connection, &part, &cutoffs, folder).await?;
    }
    Ok(())
}

fn count(gone: Let, dropped: &mut u32) {
    if gone == Let::Gone {
        *dropped += 1;
    }
}

/// Deletes old rows beside younger ones, or beside some that are still needed.
async fn delete_alone(
    connection: &mut PgConnection,
    part: &Part,
    cutoffs: &Cutoffs,
    folder: Option<&Path>,
) -> Result<(), Failed> {
    let Some(before) = cutoffs.alone(part.kind, folder) else {
        return Ok(());
    };
    if part.first > floor(before)
        || (folder.is_some() && export::is_begun(connection, part).await?)
    {
        return Ok(());
    }
    let old = Old {
        before,
        ..Old::default()
    };
    delete_old(connection, part, &old, folder.is_some(), |_| {}).await?;
    match folder {
        // Before those of the next day, so that a file is about one day.
        Some(folder) => export::aside(connection, folder).await,
        None => Ok(()),
    }
}

/// What ended before these moments is let go, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Cutoffs {
    now: f64,
    history: f64,
    events: f64,
}

impl Cutoffs {
    fn new(now: f64, keep: &Keep) -> Self {
        Self {
            now,
            history: now - keep.history.as_secs_f64(),
            events: now - keep.events().as_secs_f64(),
        }
    }

    fn latest(self) -> f64 {
        self.history.max(self.events)
    }

    fn of(self, kind: Kind) -> f64 {
        match kind {
            Kind::History | Kind::Attempts => self.history,
            Kind::Events => self.events,
        }
    }

    /// The same for rows that go alone: with files, at most once a day, so that there are not too many. None for those that
    /// go with their jobs, as attempts do, and texts that are not to go before these.
    fn alone(self, kind: Kind, folder: Option<&Path>) -> Option<f64> {
        let cutoff = match kind {
            Kind::History => self.history,
            Kind::Events if self.events > self.history => self.events,
            Kind::Events | Kind::Attempts => return None,
        };
        let before = cutoff - PATIENCE.min(self.now - cutoff);
        Some(match folder {
            Some(_) => (before / DAY).floor() * DAY,
            None => before,
        })
    }
}

/// The smallest id of a moment.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a time since 1970 in milliseconds is far from the ends of the numbers"
)]
pub(super) fn floor(seconds: f64) -> Uuid {
    first_id((seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_that_go_alone_are_waited_for_and_with_files_go_once_a_day() {
        let now = 100.0 * DAY + 3_600.0;
        let month = Cutoffs {
            now,
            history: now - 30.0 * DAY,
            events: now - 3_600.0,
        };
        let days = |before: Option<f64>| before.map(|seconds| seconds / DAY);
        let hour = 3_600.0 / DAY;
        assert_eq!(days(month.alone(Kind::History, None)), Some(68.0 + hour));
        // Twice an hour ago.
        assert_eq!(month.alone(Kind::Events, None), Some(now - 7_200.0));
        let folder = Some(Path::new("files"));
        assert_eq!(days(month.alone(Kind::History, folder)), Some(68.0));
        assert_eq!(month.latest(), month.events);
    }

    #[test]
    fn what_a_job_leaves_goes_with_it_and_is_not_looked_for_once_more() {
        let same = Cutoffs::new(100.0 * DAY, &Keep::default());
        assert_eq!(same.events.to_bits(), same.history.to_bits());
        for folder in [None, Some(Path::new("files"))] {
            assert!(same.alone(Kind::History, folder).is_some());
            assert_eq!(same.alone(Kind::Events, folder), None);
            assert_eq!(same.alone(Kind::Attempts, folder), None);
        }
    }

    #[test]
    fn an_id_is_made_of_milliseconds() {
        let at = Duration::from_millis(1_577_836_800_123);
        let floor = floor(at.as_secs_f64()).to_string();
        assert_eq!(floor, "016f5e66-e87b-0000-0000-000000000000");
    }
}
