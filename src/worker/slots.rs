//! For how many jobs a worker has room: in all, and of each queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The most jobs that one claim takes.
const WIDEST: usize = 500;

/// The free slots of a worker.
#[derive(Debug)]
pub(super) struct Slots {
    concurrency: usize,
    all: Arc<Semaphore>,
    /// Of the queues that may not take all of them.
    queues: BTreeMap<String, Arc<Semaphore>>,
    /// Told when a queue that was full has room again.
    room: Arc<Notify>,
}

/// A place that a job takes.
#[derive(Debug)]
pub(super) struct Slot {
    _place: OwnedSemaphorePermit,
    of_queue: Option<OwnedSemaphorePermit>,
    room: Arc<Notify>,
}

impl Slots {
    /// For `concurrency` jobs, of which some queues may have only so many.
    pub(super) fn new(
        concurrency: usize,
        widths: &BTreeMap<String, usize>,
        room: Arc<Notify>,
    ) -> Self {
        let queues = widths
            .iter()
            .map(|(queue, width)| (queue.clone(), Arc::new(Semaphore::new(*width))));
        Self {
            concurrency,
            all: Arc::new(Semaphore::new(concurrency)),
            queues: queues.collect(),
            room,
        }
    }

    /// Waits for a free place, and takes all that are free with it.
    pub(super) async fn free(&self) -> Vec<OwnedSemaphorePermit> {
        let first = Arc::clone(&self.all)
            .acquire_owned()
            .await
            .expect("the slots are never closed");
        let mut taken = vec![first];
        while taken.len() < WIDEST
            && let Ok(place) = Arc::clone(&self.all).try_acquire_owned()
        {
            taken.push(place);
        }
        taken
    }

    /// Whether every place is free.
    pub(super) fn are_free(&self) -> bool {
        self.all.available_permits() == self.concurrency
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
        Slot {
            _place: place,
            // Only claims take them, one claim after the other: there is one for each job that was asked for.
            of_queue: of_queue.and_then(|free| Arc::clone(free).try_acquire_owned().ok()),
            room: Arc::clone(&self.room),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(of_queue) = self.of_queue.take() {
            drop(of_queue);
            self.room.notify_one();
        }
    }
}
