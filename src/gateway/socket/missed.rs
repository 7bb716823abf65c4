//! Reads the notices that a socket has missed, beside everything else that it does.

use futures_util::future::BoxFuture;

use super::super::Shared;
use super::super::connection::{Behind, Connection};
use crate::notice::{self, Notice};
use crate::postgres::Backoff;
use crate::postgres::link::limited;
use crate::wire::SYSTEM_GROUP;

/// A reading under way, if there is one.
#[derive(Default)]
pub(super) struct Missed {
    reading: Option<BoxFuture<'static, (Behind, Vec<Notice>)>>,
}

impl Missed {
    /// Begins a reading if the socket is behind, and there is room.
    pub(super) fn look(&mut self, connection: &Connection, shared: &Shared) {
        if self.reading.is_none()
            && let Some(behind) = connection.behind()
        {
            self.reading = Some(Box::pin(read(shared.clone(), behind)));
        }
    }

    /// What was read; for ever, where nothing is being read. It may be dropped while it waits.
    pub(super) async fn page(&mut self) -> (Behind, Vec<Notice>) {
        match &mut self.reading {
            Some(reading) => {
                let page = reading.await;
                self.reading = None;
                page
            }
            None => std::future::pending().await,
        }
    }
}

async fn read(shared: Shared, behind: Behind) -> (Behind, Vec<Notice>) {
    let mut backoff = Backoff::new();
    loop {
        let page = notice::after(shared.database.pool(), SYSTEM_GROUP, behind.after);
        match limited(page).await {
            Ok(page) => return (behind, page),
            Err(error) => {
                let delay = backoff.delay();
                tracing::warn!(%error, delay_ms = delay.as_millis(), "could not read missed notices, trying again");
                tokio::time::sleep(delay).await;
            }
        }
    }
}
