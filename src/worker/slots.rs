//! For how many jobs a worker has room: in all, and of each queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::idle::Idle;

/// The most jobs that one claim takes.
const WIDEST: usize = 500;

/// The free slots of a worker, as whoever claims from one of its databases sees them: they are the same for all.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    concurrency: usize,
    all: Arc<Semaphore>,
    /// How many of them jobs have.
    taken: Arc<AtomicUsize>,
    /// Of the queues that may not take all of them.
    queues: BTreeMap<String, Arc<Semaphore>>,
    /// Those who are told when a queue that was full has room again: who claims from each database.
    rooms: Arc<[Arc<Notify>]>,
    /// Which of them is told of this one.
    mine: usize,
    /// Held by the one of several who claims, where queues may not take all.
    turn: Arc<Mutex<()>>,
    /// Since when there has been nothing for them.
    idle: Idle,
}

/// A place that a job takes.
#[derive(Debug)]
pub(super) struct Slot {
    _place: OwnedSemaphorePermit,
    of_queue: Option<OwnedSemaphorePermit>,
    taken: Arc<AtomicUsize>,
    rooms: Arc<[Arc<Notify>]>,
}

impl Slots {
    /// Those of a worker, for each of so many databases.
    pub(super) fn of(settings: &Settings, databases: usize) -> Vec<Self> {
        let concurrency = settings.concurrency.max(1);
        let queues = settings.queues.iter();
        let queues = queues.filter_map(|(queue, width)| {
            let width = Arc::new(Semaphore::new((*width)?));
            Some((queue.clone(), width))
        });
        let slots = Self {
            concurrency,
            all: Arc::new(Semaphore::new(concurrency)),
            taken: Arc::default(),
            queues: queues.collect(),
            rooms: (0..databases).map(|_| Arc::default()).collect(),
            mine: 0,
            turn: Arc::default(),
            idle: Idle::new(settings.until_idle),
        };
        let each = (0..databases).map(|mine| Self {
            mine,
            ..slots.clone()
        });
        each.collect()
    }

    /// Since when there has been nothing for them.
    pub(super) fn idle(&self) -> Idle {
        self.idle.clone()
    }

    /// Whether somebody else claims for them, from another database.
    pub(super) fn are_shared(&self) -> bool {
        self.rooms.len() > 1
    }

    /// How many jobs they are for.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Told when a queue that was full has room again.
    pub(super) fn room(&self) -> Arc<Notify> {
        Arc::clone(&self.rooms[self.mine])
    }

    /// Waits for its turn to claim: what is free of a queue that may not take all, only one at a time may count on.
    pub(super) async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        if self.queues.is_empty() || !self.are_shared() {
            return None;
        }
        Some(Arc::clone(&self.turn).lock_owned().await)
    }

    /// Waits for a free place, and takes all that are free with it; of several databases, none takes more than its part at
    /// once, so that one that does not answer does not keep the others from work.
    pub(super) async fn free(&self) -> Vec<OwnedSemaphorePermit> {
        let first = Arc::clone(&self.all)
            .acquire_owned()
            .await
            .expect("the slots are never closed");
        let mut taken = vec![first];
        let part = (self.all.available_permits() + 1).div_ceil(self.rooms.len());
        while taken.len() < WIDEST.min(part)
            && let Ok(place) = Arc::clone(&self.all).try_acquire_owned()
        {
            taken.push(place);
        }
        taken
    }

    /// Whether no job has one. Whoever just claims, for this database or another, has none yet.
    pub(super) fn are_free(&self) -> bool {
        self.taken.load(Ordering::Relaxed) == 0
    }

    /// For how many jobs there is room, of each queue that may not take all.
    pub(super) fn widths(&self) -> BTreeMap<String, usize> {
        let queues = self.queues.iter();
        queues
            .map(|(queue, free)| (queue.clone(), free.available_permits()))
            .collect()
    }

    /// The slot of a job of `queue`.
    pub(super) fn take(&self, place: OwnedSemaphorePermit, queue: &str) -> Slot {
        let of_queue = self.queues.get(queue);
        self.taken.fetch_add(1, Ordering::Relaxed);
        Slot {
            _place: place,
            // Only claims take them, one claim after the other: there is one for each job that was asked for.
            of_queue: of_queue.and_then(|free| Arc::clone(free).try_acquire_owned().ok()),
            taken: Arc::clone(&self.taken),
            rooms: Arc::clone(&self.rooms),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(of_queue) = self.of_queue.take() {
            drop(of_queue);
            for room in &*self.rooms {
                room.notify_one();
            }
        }
    }
}
