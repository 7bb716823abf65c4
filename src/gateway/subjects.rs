//! Subjects as this gateway sees them: how many sockets each has, how fast it asks, and how many of its jobs wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::crowd::{Crowd, Place};
use super::intake;
use super::rate::Rate;
use super::settings::Limits;
use crate::auth::ANONYMOUS;
use crate::wire::ErrorItem;

/// How many submissions of one subject may be on their way to the database: a part of what the intake takes, so that
/// the others find room.
const UNDER_WAY: usize = intake::WAITING / 8;

/// How many tickets one may buy in a second.
const TICKETS: u32 = 50;

/// The subjects that have asked for something a moment ago, or have sockets here.
///
/// Who is not known at all, where there is no authentication, is everybody: for them there are only the limits of all.
#[derive(Debug)]
pub(super) struct Subjects {
    /// How fast each may ask,
    rate: u32,
    /// how many jobs of it may wait,
    most: u64,
    /// and how many of all; 0 is no limit.
    most_in_all: u64,
    known: Mutex<HashMap<Arc<str>, Arc<Subject>>>,
    sockets: Arc<Crowd<Arc<str>>>,
    /// How many jobs wait in all, as they were last counted, with those that were stored since.
    waiting: AtomicU64,
    grown: AtomicBool,
}

/// That jobs may be submitted; kept until they are stored.
#[derive(Debug, Default)]
pub(super) struct Grant {
    _place: Option<OwnedSemaphorePermit>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: Arc<str>,
    rate: Rate,
    /// How many tickets it may buy.
    tickets: Rate,
    /// Its submissions on their way to the database.
    under_way: Arc<Semaphore>,
    /// How many jobs of it wait.
    waiting: AtomicU64,
    /// Whether it has submitted any since they were counted.
    stirred: AtomicBool,
}

impl Subjects {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            rate: limits.rate_per_subject,
            most: limits.waiting_per_subject,
            most_in_all: limits.waiting,
            sockets: Crowd::new(limits.sockets_per_subject),
            known: Mutex::default(),
            waiting: AtomicU64::new(0),
            grown: AtomicBool::new(true),
        }
    }

    /// The subject of this name; none for everybody.
    pub(super) fn named(&self, name: &Arc<str>) -> Option<Arc<Subject>> {
        if **name == *ANONYMOUS {
            return None;
        }
        let mut known = self.lock();
        let subject = known.entry(Arc::clone(name)).or_insert_with(|| {
            Arc::new(Subject {
                name: Arc::clone(name),
                rate: Rate::new(self.rate),
                tickets: Rate::new(TICKETS),
                under_way: Arc::new(Semaphore::new(UNDER_WAY)),
                waiting: AtomicU64::new(0),
                stirred: AtomicBool::new(true),
            })
        });
        Some(Arc::clone(subject))
    }

    /// A place for a socket of it, if there is one.
    pub(super) fn open(&self, subject: &Subject) -> Option<Place<Arc<str>>> {
        self.sockets.enter(Arc::clone(&subject.name))
    }

    /// Whether so many jobs more may be submitted together. Those that are granted count at once; the grant is kept
    /// until they are stored.
    pub(super) fn grant(&self, subject: Option<&Subject>, jobs: usize) -> Result<Grant, ErrorItem> {
        let jobs = jobs as u64;
        let is_over =
            |count: &AtomicU64, most| most > 0 && count.load(Ordering::Relaxed) + jobs > most;
        if is_over(&self.waiting, self.most_in_all) {
            self.grown.store(true, Ordering::Relaxed);
            return Err(ErrorItem::busy());
        }
        let mut place = None;
        if let Some(subject) = subject {
            if is_over(&subject.waiting, self.most) {
                return Err(ErrorItem::too_many_waiting(self.most));
            }
            let under_way = Arc::clone(&subject.under_way).try_acquire_owned();
            place = Some(under_way.map_err(|_| ErrorItem::busy())?);
            subject.waiting.fetch_add(jobs, Ordering::Relaxed);
            subject.stirred.store(true, Ordering::Relaxed);
        }
        self.waiting.fetch_add(jobs, Ordering::Relaxed);
        self.grown.store(true, Ordering::Relaxed);
        Ok(Grant { _place: place })
    }

    /// How many jobs are counted at most: one more than a subject may have.
    pub(super) fn counted(&self) -> u64 {
        self.most.saturating_add(1)
    }

    /// Those whose jobs are to be counted again; who has no socket and has not asked for anything is forgotten.
    pub(super) fn stirred(&self) -> Vec<Arc<Subject>> {
        let mut known = self.lock();
        known.retain(|_, subject| {
            Arc::strong_count(subject) > 1
                || subject.stirred.load(Ordering::Relaxed)
                // What it has waiting is known, and not to be forgotten.
                || self.most > 0 && subject.waiting.load(Ordering::Relaxed) > 0
        });
        if self.most == 0 {
            known
                .values()
                .for_each(|subject| subject.stirred.store(false, Ordering::Relaxed));
            return Vec::new();
        }
        let stirred = known.values().filter(|subject| {
            // Who has jobs that wait is looked at again until it has none.
            let waits = subject.waiting.load(Ordering::Relaxed) > 0;
            subject.stirred.swap(false, Ordering::Relaxed) || waits
        });
        stirred.cloned().collect()
    }

    /// Whether any job was submitted since all were counted.
    pub(super) fn has_grown(&self) -> bool {
        self.most_in_all > 0 && self.grown.swap(false, Ordering::Relaxed)
    }

    /// So many jobs wait in all.
    pub(super) fn wait(&self, jobs: u64) {
        self.waiting.store(jobs, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Subject>>> {
        self.known
            .lock()
            .expect("nobody panics while holding the subjects")
    }
}

impl Subject {
    /// Whether it may ask once more; if not, after what time.
    pub(super) fn ask(&self) -> Result<(), Duration> {
        self.rate.take()
    }

    /// Whether it may buy one more ticket; if not, after what time.
    pub(super) fn buy(&self) -> Result<(), Duration> {
        self.tickets.take()
    }

    /// So many jobs of it wait.
    pub(super) fn wait(&self, jobs: u64) {
        self.waiting.store(jobs, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_a_part_of_what_is_under_way_and_leaves_the_rest_to_the_others() {
        let subjects = Subjects::new(&Limits::default());
        let (alice, bob) = (
            subjects.named(&"alice".into()),
            subjects.named(&"bob".into()),
        );
        let grant = |subject: &Option<Arc<Subject>>| subjects.grant(subject.as_deref(), 1);
        let mut grants: Vec<_> = (0..UNDER_WAY).map(|_| grant(&alice).unwrap()).collect();
        assert_eq!(grant(&alice).unwrap_err(), ErrorItem::busy());
        assert!(grant(&bob).is_ok());
        // One of hers is stored.
        grants.pop();
        assert!(grant(&alice).is_ok());
    }
}
