//! What keeps the tables true without anybody asking.
//!
//! It runs in every process; a lock in the database lets one of them do each thing at a time.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::Keep;
use crate::notice;
use crate::postgres::{Backoff, Database, Fault, Link};
use crate::queue::{
    callback, expire, gone, keys, limits, operator_log, partitions, recover, recurring, samples,
    sweep,
};
use crate::session;
use crate::shutdown::{Stop, sleep};
use crate::ticket;

const EVERY: Duration = Duration::from_secs(3);
/// The shortest that they may be: every process wakes for what is due, and one of them does it.
const BREATH: Duration = Duration::from_millis(100);

const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// The longest that two sweeps may be apart, by the database's clock, to count as unbroken contact.
const UNBROKEN: Duration = Duration::from_secs(6);

/// Sweeps and tidies up until it is told to stop.
///
/// # Errors
/// None: a database that is away is waited for.
pub async fn run(database: Database, keep: Keep, stop: Stop) -> anyhow::Result<()> {
    let sample_is_due = Notify::new();
    let expiry_is_due = Notify::new();
    let housekeeping = database.link("housekeeping");
    tokio::join!(
        keep_sweeping(database.link("sweeper"), &sample_is_due, &stop),
        keep_tidying(housekeeping, &keep, &sample_is_due, &expiry_is_due, &stop),
        keep_expiring(database.direct_link("expiry"), &keep, &expiry_is_due, &stop),
    );
    Ok(())
}

async fn keep_sweeping(mut link: Link, sample_is_due: &Notify, stop: &Stop) {
    let mut contact = None;
    let mut backoff = Backoff::new();
    loop {
        let swept = stop
            .run_until_cancelled(sweep(&mut link, &mut contact))
            .await;
        let Some(swept) = swept else { return };
        // Not in step with the other processes.
        let mut pause = EVERY.mul_f64(0.75 + fastrand::f64() / 2.0);
        match swept {
            Ok(swept) => {
                backoff.reset();
                pause = swept.next.map_or(pause, |next| next.clamp(BREATH, pause));
                if swept.sample {
                    sample_is_due.notify_one();
                }
            }
            // A connection that is made again at once breaks no contact: the others could be heard as well.
            Err(error) => pause = backoff.failed(&error, "could not sweep"),
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
    /// Whether a sample is due: it counts all that is live, so it is taken where nothing waits for it.
    sample: bool,
    /// After what time something is due again, if that is known.
    next: Option<Duration>,
}

/// Looks what there is to do, and does it: first of all what others wait for who cannot help themselves. The contact is
/// noted as soon as there is an answer, whatever becomes of the rest.
async fn sweep(link: &mut Link, contact: &mut Option<Contact>) -> Result<Swept, sqlx::Error> {
    let looked = link.run(async |connection| {
        let asked = Instant::now();
        Ok((sweep::look(connection).await?, asked))
    });
    let (work, asked) = looked.await?;
    // An answer that took long is as good as a silence: the others' beats waited as well.
    let earlier = contact.filter(|_| asked.elapsed() < EVERY);
    let now = Contact::at(work.now, earlier);
    *contact = Some(now);
    let recovers = work.silent && now.can_judge();
    if recovers {
        recover::recover(link).await?;
    }
    if work.overdue {
        callback::give_up(link).await?;
    }
    let mut next = work.next;
    if work.scheduled && recover::promote(link).await?.is_more() {
        // The rest of a large heap, after a look whether anything else is due.
        next = Some(Duration::ZERO);
    }
    let mut admitted = None;
    // What has become ready may have to wait for a limit after all.
    if work.limits || work.scheduled || work.overdue || recovers {
        admitted = match link
            .run(async |connection| limits::admit(connection).await)
            .await
        {
            Err(error) if Fault::of(&error) != Fault::Away => {
                // Whatever is wrong with a limit, everything else goes on.
                tracing::warn!(%error, "could not look at the limits, trying again");
                None
            }
            admitted => admitted?,
        };
    }
    let mut fired = None;
    if work.recurring {
        fired = recurring::fire(link).await?;
    }
    let next = next.map(|next| next.saturating_sub(asked.elapsed()));
    Ok(Swept {
        sample: work.sample,
        next: [next, admitted, fired].into_iter().flatten().min(),
    })
}

async fn keep_tidying(
    mut link: Link,
    keep: &Keep,
    sample_is_due: &Notify,
    expiry_is_due: &Notify,
    stop: &Stop,
) {
    let mut tidy_at = Instant::now();
    let mut backoff = Backoff::new();
    loop {
        let tidies = tokio::select! {
            () = sample_is_due.notified() => false,
            () = tokio::time::sleep_until(tidy_at) => true,
            () = stop.cancelled() => {
                link.close().await;
                return;
            }
        };
        let kept = stop.run_until_cancelled(async {
            if tidies {
                tidy_up(&mut link, keep).await
            } else {
                take_sample(&mut link).await
            }
        });
        let Some(kept) = kept.await else { return };
        let pause = match &kept {
            Ok(()) => {
                backoff.reset();
                if tidies {
                    // What a session or a key has kept of the history may be free now.
                    expiry_is_due.notify_one();
                }
                HOUSEKEEPING_EVERY
            }
            Err(error) => EVERY + backoff.failed(error, "could not tidy up"),
        };
        if tidies {
            // Not in step with the other processes.
            tidy_at = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 2.0);
        }
    }
}

async fn take_sample(link: &mut Link) -> Result<(), sqlx::Error> {
    match link
        .run(async |connection| samples::take(connection).await)
        .await
    {
        Err(error) if Fault::of(&error) != Fault::Away => {
            // A figure less: everything else goes on.
            tracing::warn!(%error, "could not take a sample of how things are");
            Ok(())
        }
        taken => taken,
    }
}

/// Each for itself: what is wrong with one keeps nothing else from being tidied.
async fn tidy_up(link: &mut Link, keep: &Keep) -> Result<(), sqlx::Error> {
    let made = link.run(async |connection| partitions::make_ahead(connection).await);
    passed(made.await)?;
    // Whatever deletes works in small batches: its statements are limited in time, and not the whole of it.
    passed(notice::expire(link).await)?;
    passed(ticket::expire(link).await)?;
    passed(keys::expire(link).await)?;
    passed(session::expire(link, keep.sessions).await)?;
    passed(gone::forget(link, keep.gone).await)?;
    passed(samples::expire(link, keep.samples).await)?;
    passed(operator_log::expire(link, keep.operator_log).await)
}

/// Lets go of the history, whenever that is due. It has its own connection, since files may take hours: everything else
/// goes on meanwhile.
async fn keep_expiring(mut link: Link, keep: &Keep, expiry_is_due: &Notify, stop: &Stop) {
    let mut backoff = Backoff::new();
    loop {
        tokio::select! {
            () = expiry_is_due.notified() => {}
            () = stop.cancelled() => {
                link.close().await;
                return;
            }
        }
        let expired = stop.run_until_cancelled(let_go(&mut link, keep));
        let Some(expired) = expired.await else { return };
        link.settle(&expired);
        match expired {
            Ok(()) => backoff.reset(),
            Err(error) => {
                let pause = EVERY + backoff.failed(&error, "could not let go of the history");
                if sleep(pause, stop).await {
                    expiry_is_due.notify_one();
                }
            }
        }
    }
}

async fn let_go(link: &mut Link, keep: &Keep) -> Result<(), sqlx::Error> {
    if link.is_shared().await? {
        // Two at once would take each other's parts for their own.
        tracing::warn!(
            "a pooler gives this connection a server process for each transaction, so the history is let go of by \
             nobody here: name the server itself in DIRECT_DATABASE_URL"
        );
        return Ok(());
    }
    let connection = link.connected().await?;
    passed(expire::expire(connection, keep).await.map(|_| ()))
}

/// An error, where the database is away; any other is only told.
fn passed(tidied: Result<(), sqlx::Error>) -> Result<(), sqlx::Error> {
    match tidied {
        Err(error) if Fault::of(&error) != Fault::Away => {
            tracing::warn!(%error, "could not tidy up everything, trying again later");
            Ok(())
        }
        tidied => tidied,
    }
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
