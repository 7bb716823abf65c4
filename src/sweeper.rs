//! What keeps the tables true without anybody asking.
//!
//! It runs in every process; a lock in the database lets one of them do each thing at a time.

use std::time::{Duration, Instant, SystemTime};

use crate::notice;
use crate::postgres::link::limited;
use crate::postgres::{Database, Link};
use crate::queue::{partitions, recover};
use crate::shutdown::{Stop, sleep};

const EVERY: Duration = Duration::from_secs(2);
/// A sleep that takes this long was not a sleep of ours.
const OVERSLEPT: Duration = Duration::from_secs(5);
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// Sweeps until it is told to stop.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn run(database: Database, keep_history: Duration, stop: Stop) -> anyhow::Result<()> {
    let mut link = database.link("sweeper");
    let mut contact: Option<Instant> = None;
    let mut next_housekeeping = Instant::now();
    loop {
        let Some(swept) = stop.run_until_cancelled(sweep(&mut link, contact)).await else {
            return Ok(());
        };
        link.settle(&swept);
        match swept {
            Ok(()) => {
                contact.get_or_insert_with(Instant::now);
            }
            Err(error) => {
                tracing::warn!(%error, "could not sweep, trying again");
                contact = None;
            }
        }
        if contact.is_some() && Instant::now() >= next_housekeeping {
            let kept = stop
                .run_until_cancelled(keep_house(&mut link, keep_history))
                .await;
            let Some(kept) = kept else { return Ok(()) };
            link.settle(&kept);
            match kept {
                Ok(()) => next_housekeeping = Instant::now() + HOUSEKEEPING_EVERY,
                Err(error) => tracing::warn!(%error, "could not tidy up, trying again"),
            }
        }
        let before = SystemTime::now();
        // Not in step with the other processes.
        if !sleep(EVERY.mul_f64(0.75 + fastrand::f64() / 2.0), &stop).await {
            link.close().await;
            return Ok(());
        }
        // A process that was suspended, with its machine perhaps, heard nobody meanwhile. The clock of `Instant` may
        // have slept as well.
        if !before.elapsed().is_ok_and(|slept| slept < OVERSLEPT) {
            contact = None;
        }
    }
}

async fn sweep(link: &mut Link, contact: Option<Instant>) -> Result<(), sqlx::Error> {
    let connection = link.connected().await?;
    recover::promote(connection).await?;
    // Whoever was cut off itself cannot tell who is silent: it waits until the others have had time to be heard.
    if contact.is_some_and(|since| since.elapsed() >= recover::LEASE) {
        recover::recover(connection).await?;
    }
    Ok(())
}

async fn keep_house(link: &mut Link, keep_history: Duration) -> Result<(), sqlx::Error> {
    let connection = link.connected().await?;
    limited(partitions::make_ahead(connection)).await?;
    limited(notice::expire(connection)).await?;
    limited(recover::forget_gone(&mut *connection)).await?;
    // Not limited in time: it works in small batches, and waits for nobody for long.
    partitions::expire(connection, keep_history)
        .await
        .map(|_| ())
}
