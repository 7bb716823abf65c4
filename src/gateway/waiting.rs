//! Counts now and then how many jobs wait, so that nobody fills the queue.

use std::sync::Arc;
use std::time::Duration;

use super::subjects::Subjects;
use crate::postgres::Link;
use crate::queue::waiting;
use crate::shutdown::{Stop, sleep};

/// How often the jobs of those are counted who have submitted any.
const EVERY: Duration = Duration::from_secs(1);

/// How often, in that time, it is looked how many jobs wait in all.
const IN_ALL_EVERY: u32 = 10;

/// Counts until it is told to stop.
///
/// # Errors
/// None: a database that is away is asked again later.
pub(super) async fn run(subjects: Arc<Subjects>, mut link: Link, stop: Stop) -> anyhow::Result<()> {
    let mut turn: u32 = 0;
    while sleep(EVERY, &stop).await {
        let counted = stop
            .run_until_cancelled(count(&subjects, &mut link, turn))
            .await;
        let Some(counted) = counted else { break };
        if let Err(error) = counted {
            tracing::debug!(%error, "could not count the jobs that wait, trying again");
        }
        turn = (turn + 1) % IN_ALL_EVERY;
    }
    link.close().await;
    Ok(())
}

async fn count(subjects: &Subjects, link: &mut Link, turn: u32) -> Result<(), sqlx::Error> {
    let stirred = subjects.stirred();
    if !stirred.is_empty() {
        let names: Vec<&str> = stirred.iter().map(|subject| &*subject.name).collect();
        let most = subjects.counted();
        let counts = link.run(async |connection| waiting::of(connection, &names, most).await);
        let counts = counts.await?;
        for (subject, jobs) in stirred.iter().zip(counts) {
            subject.wait(jobs);
        }
    }
    if turn == 0 && subjects.has_grown() {
        let in_all = link.run(async |connection| waiting::in_all(connection).await);
        subjects.wait(in_all.await?);
    }
    Ok(())
}
