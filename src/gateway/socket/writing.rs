//! Writing: everything that is ready, flushed once, and never waited for without end.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, poll};

use super::requests::Work;
use super::{End, Peer};
use crate::wire::Close;

/// How long a client may take to read what is being written to it.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

impl Peer {
    /// Does `work`, and writes what is due meanwhile. Neither waits for the other: work that holds something others need
    /// is not held up by a client that does not read.
    pub(super) async fn writing(
        &self,
        socket: &mut WebSocket,
        mut work: Work<'_>,
    ) -> Result<(), End> {
        loop {
            tokio::select! {
                () = &mut work => return Ok(()),
                () = poll_fn(|cx| self.connection.poll_due(cx)) => {}
            }
            let mut write = pin!(self.write_due(socket));
            tokio::select! {
                () = &mut work => return write.await,
                written = &mut write => written?,
            }
        }
    }

    /// Writes what is in the outbox.
    pub(super) async fn write_due(&self, socket: &mut WebSocket) -> Result<(), End> {
        let due = self.connection.take();
        if !due.messages.is_empty() {
            self.write(socket, due.messages.into_iter().map(Message::Text))
                .await?;
        }
        if !due.skipped.is_empty() {
            // There is room now. Where the relay has none, they are found by polling.
            let _ = self.shared.wanted.try_send(due.skipped);
        }
        due.close.map_or(Ok(()), |why| Err(End::Close(why)))
    }

    /// Writes, and flushes once.
    pub(super) async fn write(
        &self,
        socket: &mut WebSocket,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), End> {
        let mut write = pin!(async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        });
        // As a rule the socket takes it at once, and nothing else has to be watched.
        let written = match poll!(write.as_mut()) {
            Poll::Ready(written) => written,
            Poll::Pending => tokio::select! {
                written = write => written,
                why = poll_fn(|cx| self.connection.poll_close(cx)) => return Err(End::Close(why)),
                () = Box::pin(tokio::time::sleep(WRITE_LIMIT)) => return Err(End::Close(Close::TooSlow)),
            },
        };
        written.map_err(|_: axum::Error| End::Gone)
    }
}
