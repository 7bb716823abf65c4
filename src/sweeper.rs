//! What keeps the tables true without anybody asking.
//!
//! It runs in every process; a lock in the database lets one of them do each thing at a time.

use std::time::{Duration, Instant};

use crate::notice;
use crate::postgres::link::limited;
use crate::postgres::{Database, Fault, Link};
use crate::queue::{keys, limits, partitions, recover, recurring, samples};
use crate::session;
use crate::shutdown::{Stop, sleep};

const EVERY: Duration = Duration::from_secs(2);
/// The shortest that they may be: every process wakes for what is due, and one of them does it.
const BREATH: Duration = Duration::from_millis(100);

const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// How often it is seen whether a sample is due: often enough that none is left out.
const SAMPLE_EVERY: Duration = Duration::from_secs(4);

/// The longest that two sweeps may be apart, by the database's clock, to count as unbroken contact.
const UNBROKEN: Duration = Duration::from_secs(6);

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Finished jobs, from their end.
    pub history: Duration,
    /// Sessions, from their last socket.
    pub sessions: Duration,
}

/// Sweeps and tidies up until it is told to stop.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn run(database: Database, keep: Keep, stop: Stop) -> anyhow::Result<()> {
    tokio::join!(
        keep_sweeping(database.link("sweeper"), &stop),
        keep_tidying(database.link("housekeeping"), keep, &stop),
    );
    Ok(())
}

async fn keep_sweeping(mut link: Link, stop: &Stop) {
    let mut contact = None;
    loop {
        let swept = stop.run_until_cancelled(sweep(&mut link, contact)).await;
        let Some(swept) = swept else { return };
        link.settle(&swept);
        // Not in step with the other processes.
        let mut pause = EVERY.mul_f64(0.75 + fastrand::f64() / 2.0);
        match swept {
            Ok(swept) => {
                contact = Some(swept.contact);
                pause = swept.next.map_or(pause, |next| next.clamp(BREATH, pause));
            }
            // A connection that is made again at once breaks no contact: the others could be heard as well.
            Err(error) => tracing::warn!(%error, "could not sweep, trying again"),
        }
        if !sleep(pause, stop).await {
            link.close().await;
            return;
        }
    }
}

/// How long we have been in touch with the database, by its clock: the moments since it began.
///
/// Not by ours: while this process or the database was frozen, nobody was heard, and our clock may not have noticed.
#[derive(Clone, Copy, Debug)]
struct Contact {
    since: Duration,
    last: Duration,
}

impl Contact {
    fn at(now: Duration, earlier: Option<Self>) -> Self {
        let unbroken = earlier.filter(|contact| now.abs_diff(contact.last) <= UNBROKEN);
        Self {
            since: unbroken.map_or(now, |contact| contact.since),
            last: now,
        }
    }

    /// Whoever was cut off itself cannot tell who is silent: it waits until the others have had time to be heard.
    fn can_judge(self) -> bool {
        self.last.saturating_sub(self.since) >= recover::LEASE
    }
}

/// What a sweep has found out.
struct Swept {
    contact: Contact,
    /// After what time something is due again, if that is known.
    next: Option<Duration>,
}

async fn sweep(link: &mut Link, earlier: Option<Contact>) -> Result<Swept, sqlx::Error> {
    let connection = link.connected().await?;
    let asked = Instant::now();
    let promoted = recover::promote(connection).await?;
    // An answer that took long is as good as a silence: the others' beats waited as well.
    let earlier = earlier.filter(|_| asked.elapsed() < EVERY);
    let contact = Contact::at(promoted.now, earlier);
    if contact.can_judge() {
        recover::recover(connection).await?;
    }
    let admitted = match limits::admit(connection).await {
        Err(error) if Fault::of(&error) != Fault::Away => {
            // Whatever is wrong with a limit, everything else goes on.
            tracing::warn!(%error, "could not look at the limits, trying again");
            None
        }
        admitted => admitted?,
    };
    let fired = recurring::fire(connection).await?;
    let next = [promoted.next, admitted, fired];
    let next = next.into_iter().flatten().min();
    Ok(Swept { contact, next })
}

async fn keep_tidying(mut link: Link, keep: Keep, stop: &Stop) {
    let mut tidy_at = Instant::now();
    loop {
        let is_due = Instant::now() >= tidy_at;
        let kept = stop.run_until_cancelled(async {
            take_sample(&mut link).await?;
            if is_due {
                tidy_up(&mut link, keep).await?;
            }
            Ok(())
        });
        let Some(kept) = kept.await else { return };
        link.settle(&kept);
        match kept {
            Ok(()) if is_due => tidy_at = Instant::now() + HOUSEKEEPING_EVERY,
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "could not tidy up, trying again"),
        }
        // Not in step with the other processes.
        if !sleep(SAMPLE_EVERY.mul_f64(0.75 + fastrand::f64() / 2.0), stop).await {
            link.close().await;
            return;
        }
    }
}

async fn take_sample(link: &mut Link) -> Result<(), sqlx::Error> {
    let connection = link.connected().await?;
    match limited(samples::take(connection)).await {
        Err(error) if Fault::of(&error) != Fault::Away => {
            // A figure less: everything else goes on.
            tracing::warn!(%error, "could not take a sample of how things are");
            Ok(())
        }
        taken => taken,
    }
}

async fn tidy_up(link: &mut Link, keep: Keep) -> Result<(), sqlx::Error> {
    let connection = link.connected().await?;
    limited(partitions::make_ahead(connection)).await?;
    limited(notice::expire(connection)).await?;
    keys::expire(connection).await?;
    session::expire(connection, keep.sessions).await?;
    limited(recover::forget_gone(&mut *connection)).await?;
    limited(samples::expire(&mut *connection)).await?;
    // Not limited in time: it works in small batches, and waits for nobody for long.
    partitions::expire(connection, keep.history)
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn contact_grows_while_it_is_unbroken_and_begins_again_after_a_gap() {
        let mut contact = Contact::at(seconds(100), None);
        for now in [102, 105, 108, 111, 114] {
            contact = Contact::at(seconds(now), Some(contact));
            assert!(!contact.can_judge());
        }
        contact = Contact::at(seconds(115), Some(contact));
        assert!(contact.can_judge());
        contact = Contact::at(seconds(130), Some(contact));
        assert!(!contact.can_judge(), "nobody was heard for 15 s");
        contact = Contact::at(seconds(90), Some(contact));
        assert!(!contact.can_judge(), "the clock was set back");
    }
}
