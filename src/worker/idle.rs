//! How long a worker has had nothing to do.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::held::Held;
use super::slots::Slots;

/// How often it looks whether what it holds has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Since when a worker has had nothing to do, and how long it waits for more.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Option<Duration>,
    since: Instant,
}

impl Idle {
    /// For a worker that waits so long, or for ever.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            since: Instant::now(),
        }
    }

    /// There was something to do.
    pub(super) fn worked(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until there has been nothing for too long.
    pub(super) async fn over(&mut self, held: &Held, slots: &Slots) {
        let Some(limit) = self.limit else {
            return std::future::pending().await;
        };
        loop {
            // A place may be taken longer than its job: by work that cannot be dropped.
            if !held.is_empty() || !slots.are_free() {
                self.worked();
            }
            let left = limit.saturating_sub(self.since.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK_EVERY)).await;
        }
    }
}
