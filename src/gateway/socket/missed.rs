//! Reads the notices that a socket has missed, beside everything else that it does.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;

use super::super::Shared;
use super::super::connection::{Behind, Connection};
use crate::notice::{self, Notice};
use crate::postgres::Backoff;
use crate::wire::SYSTEM_GROUP;

/// What was read, and what for.
pub(super) type Page = (Behind, Vec<Notice>);

/// A reading under way, or its page, if there is one.
#[derive(Default)]
pub(super) struct Missed {
    reading: Option<BoxFuture<'static, Page>>,
    page: Option<Page>,
}

impl Missed {
    /// Begins a reading if the socket is behind, and there is room.
    pub(super) fn look(&mut self, connection: &Connection, shared: &Shared) {
        if self.reading.is_none()
            && self.page.is_none()
            && let Some(behind) = connection.behind()
        {
            self.reading = Some(Box::pin(read(shared.clone(), behind)));
        }
    }

    /// Waits for the next page; for ever, where none is being read.
    pub(super) fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Page> {
        match self.page.take() {
            Some(page) => Poll::Ready(page),
            None => self.poll_read(cx),
        }
    }

    /// Goes on reading while `work` is done: a connection to the database is not kept for a client that makes us wait.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(page) = self.poll_read(cx) {
                self.page = Some(page);
            }
            work.as_mut().poll(cx)
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Page> {
        let Some(reading) = &mut self.reading else {
            return Poll::Pending;
        };
        let page = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(page)
    }
}

async fn read(shared: Shared, behind: Behind) -> Page {
    let mut backoff = Backoff::new();
    loop {
        let page = shared
            .database
            .run(async |connection| notice::after(connection, SYSTEM_GROUP, behind.after).await);
        match page.await {
            Ok(page) => return (behind, page),
            Err(error) => {
                let delay = backoff.failed(&error, "could not read missed notices");
                tokio::time::sleep(delay).await;
            }
        }
    }
}
