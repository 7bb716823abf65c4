//! The life of one connection: one task that reads everything that is ready, then writes everything that is ready.

mod missed;
mod pulse;
mod requests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::Shared;
use super::connection::Connection;
use super::goodbye;
use crate::postgres::link::limited_to;
use crate::session;
use crate::wire::Close;

use missed::Missed;
use pulse::{Due, Pulse};

/// How many of a socket's submissions may be on their way to the database; it is not read further before they are
/// answered, so that one client cannot fill the intake.
const UNDER_WAY: u32 = 256;

/// How many ready frames are read before what they caused is written.
const READ_AT_ONCE: usize = 64;

/// A frame up to this many times the limit is read past and refused; a larger one closes the socket.
const HARD_LIMIT_FACTOR: usize = 64;

/// The read buffer stays with the socket, so it is small; a larger frame grows it for a while.
const READ_BUFFER: usize = 1024;

/// Written through beyond this, so that a socket does not keep a large buffer.
const WRITE_BUFFER: usize = 8 * 1024;

/// How long a client may take to read what is being written to it.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How long the database may take to note that a session has lost its socket.
const LEAVING: Duration = Duration::from_secs(5);

pub(super) async fn upgrade(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    let hard_limit = shared.settings.max_frame.saturating_mul(HARD_LIMIT_FACTOR);
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(usize::MAX)
        .max_frame_size(hard_limit)
        .max_message_size(hard_limit)
        .on_upgrade(move |socket| {
            let tracker = shared.sockets.clone();
            let connection = Arc::new(Connection::new());
            let span = tracing::debug_span!("connection", connection.id = %connection.id);
            tracker.track_future(live(socket, connection, shared).instrument(span))
        })
}

async fn live(mut socket: WebSocket, connection: Arc<Connection>, shared: Shared) {
    tracing::debug!("connected");
    shared.hub.join(&connection);
    let peer = Peer {
        connection,
        shared,
        turns: Arc::new(Semaphore::new(UNDER_WAY as usize)),
    };
    let Err(end) = peer.talk(&mut socket).await;
    peer.shared.hub.leave(&peer.connection);
    peer.leave_session().await;
    tracing::debug!(?end, "disconnected");
    match end {
        End::Gone => {}
        End::Left => goodbye::answer(socket).await,
        End::Close(why) => goodbye::say(socket, why).await,
    }
}

/// The other side of a socket.
struct Peer {
    connection: Arc<Connection>,
    shared: Shared,
    turns: Arc<Semaphore>,
}

/// Why a conversation ends.
#[derive(Debug)]
enum End {
    /// The client has gone.
    Gone,
    /// The client has said that it goes.
    Left,
    /// We close it.
    Close(Close),
}

/// What a conversation goes on with.
enum Next {
    Hear(Message),
    Write,
    Pulse(Due),
}

impl Peer {
    /// Talks until one side ends it.
    async fn talk(&self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let settings = &self.shared.settings;
        let mut pulse = Pulse::new(settings.ping_every, settings.ping_patience);
        let mut missed = Missed::default();
        loop {
            let next = tokio::select! {
                frame = read(socket) => Next::Hear(frame?),
                () = self.connection.wake.notified() => Next::Write,
                (asked, page) = missed.page() => {
                    self.connection.catch_up(asked, page);
                    Next::Write
                }
                due = pulse.due() => Next::Pulse(due),
                () = self.shared.stop.cancelled() => break,
            };
            missed.beside(self.act(next, socket, &mut pulse)).await?;
            missed.look(&self.connection, &self.shared);
        }
        drop(missed);
        self.wind_down(socket).await
    }

    /// Reads everything that is ready, then writes everything that is ready.
    async fn act(&self, next: Next, socket: &mut WebSocket, pulse: &mut Pulse) -> Result<(), End> {
        let mut frame = match next {
            Next::Hear(frame) => Some(frame),
            Next::Write => None,
            Next::Pulse(Due::Ask) => {
                self.write(socket, [Message::Ping(Bytes::new())]).await?;
                pulse.asked();
                None
            }
            // It may have answered while we were writing to it.
            Next::Pulse(Due::GiveUp) => match read(socket).now_or_never() {
                Some(frame) => Some(frame?),
                None => return Err(End::Close(Close::Silent)),
            },
        };
        for _ in 0..READ_AT_ONCE {
            let Some(ready) = frame else { break };
            self.hear(ready, socket).await?;
            // After it: a client is not silent while we make it wait.
            pulse.heard();
            frame = read(socket).now_or_never().transpose()?;
        }
        if let Some(ready) = frame {
            self.hear(ready, socket).await?;
        }
        self.write_due(socket).await
    }

    /// Does `work`, and writes what is due meanwhile. Neither waits for the other: work that holds something others need
    /// is not held up by a client that does not read.
    async fn writing<T>(
        &self,
        socket: &mut WebSocket,
        work: impl Future<Output = T>,
    ) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.connection.wake.notified() => {}
            }
            let mut write = pin!(self.write_due(socket));
            tokio::select! {
                done = &mut work => {
                    write.await?;
                    return Ok(done);
                }
                written = &mut write => written?,
            }
        }
    }

    /// Its session lives on without it. While the gateway stops, all sessions are left together.
    async fn leave_session(&self) {
        let Some(seat) = self.connection.seat() else {
            return;
        };
        if self.shared.stop.is_cancelled() {
            return;
        }
        let left = async {
            let mut database = self.shared.database.pool().acquire().await?;
            session::leave(&mut database, seat).await
        };
        if let Err(error) = limited_to(LEAVING, left).await {
            tracing::debug!(%error, "could not leave a session; it is let go of later");
        }
    }

    /// Writes what is in the outbox.
    async fn write_due(&self, socket: &mut WebSocket) -> Result<(), End> {
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
    async fn write(
        &self,
        socket: &mut WebSocket,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), End> {
        let write = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            written = write => written.map_err(|_: axum::Error| End::Gone),
            () = self.connection.closing.notified() => {
                Err(End::Close(self.connection.take().close.unwrap_or(Close::TooSlow)))
            }
            () = tokio::time::sleep(WRITE_LIMIT) => Err(End::Close(Close::TooSlow)),
        }
    }

    /// The gateway is stopping: what was submitted is still answered, and what has finished is still delivered.
    async fn wind_down(&self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let all_answered = self.turns.acquire_many(UNDER_WAY);
        // After the grace, the answers that are missing are unknown to us as well.
        let _ = tokio::time::timeout(self.shared.settings.grace, all_answered).await;
        self.shared.relayed.cancelled().await;
        self.write_due(socket).await?;
        Err(End::Close(Close::Stopping))
    }
}

/// The next frame. It may be dropped while it waits; nothing is lost by it.
async fn read(socket: &mut WebSocket) -> Result<Message, End> {
    match socket.next().await {
        Some(Ok(frame)) => Ok(frame),
        Some(Err(error)) => {
            tracing::debug!(%error, "could not read");
            Err(goodbye::after(&error).map_or(End::Gone, End::Close))
        }
        None => Err(End::Gone),
    }
}
