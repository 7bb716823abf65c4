//! How long a worker has had nothing to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::held::Held;
use super::slots::Slots;

/// How often it looks whether what it holds has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Since when a worker has had nothing to do in any of its databases, and how long it waits for more; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    limit: Option<Duration>,
    since: Arc<Mutex<Instant>>,
}

impl Idle {
    /// For a worker that waits so long, or for ever.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            since: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// There was something to do.
    pub(super) fn worked(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until there has been nothing for too long.
    pub(super) async fn over(&self, held: &Held, slots: &Slots) {
        let Some(limit) = self.limit else {
            return std::future::pending().await;
        };
        loop {
            // A place may be taken longer than its job: by work that cannot be dropped.
            if !held.is_empty() || !slots.are_free() {
                self.worked();
            }
            let left = limit.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK_EVERY)).await;
        }
    }

    fn elapsed(&self) -> Duration {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.elapsed()
    }
}
