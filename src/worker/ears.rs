//! What a worker hears: that there are jobs, that a limit has room, that a job is to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::cancels;
use super::held::Held;
use crate::ids::WorkerId;
use crate::postgres::listener::{Hearing, Listener, Wake};
use crate::queue::{CANCEL_CHANNEL, Cursor, HELD_HINT};
use crate::shutdown::Stop;

/// Hears hints, and tells those whom they are for.
#[derive(Debug)]
pub(super) struct Ears {
    pub(super) listener: Listener,
    pub(super) hearing: Hearing,
    pub(super) worker: WorkerId,
    /// Where the claimer looks.
    pub(super) cursor: Arc<Mutex<Cursor>>,
    /// Whether it is to look at limits before.
    pub(super) limits: Arc<AtomicBool>,
    pub(super) wake: Arc<Notify>,
    pub(super) held: Held,
    pub(super) look_for_cancels: Arc<Notify>,
}

impl Ears {
    /// Listens until it is told to stop.
    pub(super) async fn run(mut self, stop: Stop) {
        while let Some(heard) = stop.run_until_cancelled(self.listener.next()).await {
            match heard {
                Wake::Sweep => {
                    self.cursor().rewind();
                    self.limits.store(true, Ordering::Relaxed);
                    self.look();
                }
                Wake::Poll { .. } => self.look(),
                Wake::Hint { channel, payload } if channel == CANCEL_CHANNEL => {
                    cancels::hear(&payload, self.worker, &self.held);
                    continue;
                }
                Wake::Hint { payload, .. } => self.hear_of_jobs(&payload),
            }
            self.wake.notify_one();
        }
    }

    /// Something may have happened that nobody has told us.
    fn look(&self) {
        // Where hints are heard, the sweeper finds soon enough what a lost one was about.
        if self.hearing == Hearing::PollOnly {
            self.limits.store(true, Ordering::Relaxed);
        }
        self.look_for_cancels.notify_one();
    }

    fn hear_of_jobs(&self, payload: &str) {
        if payload == HELD_HINT {
            self.limits.store(true, Ordering::Relaxed);
            return;
        }
        let place = payload.split_once(' ');
        match place.map(|(queue, rank)| (queue, rank.parse())) {
            Some((queue, Ok(rank))) => self.cursor().look_at(queue, rank),
            // A hint in words we do not know says at least that there is something.
            _ => self.cursor().rewind(),
        }
    }

    fn cursor(&self) -> std::sync::MutexGuard<'_, Cursor> {
        self.cursor
            .lock()
            .expect("nobody panics while holding the cursor")
    }
}
