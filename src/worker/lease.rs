//! Whether this worker may still be taken for alive by the others.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::queue::recover::LEASE;

/// How long after its last beat a worker may start things: less than the others wait, so that it stops first.
const FRESH: Duration = Duration::from_secs(LEASE.as_secs() - 2);

/// The time of the last beat that the database has confirmed.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    beaten: watch::Sender<Option<Instant>>,
}

impl Lease {
    pub(super) fn new() -> Self {
        Self {
            beaten: watch::Sender::new(None),
        }
    }

    /// A beat that was sent at `sent` has been confirmed.
    pub(super) fn renew(&self, sent: Instant) {
        self.beaten.send_replace(Some(sent));
    }

    /// Waits until the last beat is fresh. A worker that could not beat starts nothing and commits nothing: when the
    /// database is back it beats first.
    pub(super) async fn fresh(&self) {
        let is_fresh = |beat: &Option<Instant>| beat.is_some_and(|beat| beat.elapsed() < FRESH);
        // The sender is in `self`, so the channel cannot be closed while we wait.
        let _ = self.beaten.subscribe().wait_for(is_fresh).await;
    }
}
