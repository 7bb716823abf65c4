//! The life of one connection: one task that reads everything that is ready, then writes everything that is ready.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::Instrument;

use super::Shared;
use super::connection::Connection;
use super::goodbye;
use super::intake::Submission;
use crate::wire::{ClientMessage, Close, ErrorItem, Frame, ServerMessage, TaskPayload, parse};

/// How many of a socket's submissions may be on their way to the database; it is not read further before they are
/// answered, so that one client cannot fill the intake.
const UNDER_WAY: u32 = 256;

/// The bytes that one of these places has room for.
const PLACE: usize = 4 * 1024;

/// How many ready frames are read before what they caused is written.
const READ_AT_ONCE: usize = 64;

/// A frame up to this many times the limit is read past and refused; a larger one closes the socket.
const HARD_LIMIT_FACTOR: usize = 64;

/// The read buffer stays with the socket, so it is small; a larger frame grows it for a while.
const READ_BUFFER: usize = 1024;

/// Written through beyond this, so that a socket does not keep a large buffer.
const WRITE_BUFFER: usize = 8 * 1024;

/// How often a silent client is asked whether it is there, and how long it may stay silent.
const PING_EVERY: Duration = Duration::from_secs(25);
const SILENCE: Duration = Duration::from_secs(80);

/// How long a client may take to read what is being written to it.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

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

impl Peer {
    /// Talks until one side ends it.
    async fn talk(&self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let mut heard = Instant::now();
        let mut next_ping = heard + PING_EVERY;
        loop {
            let mut frame = tokio::select! {
                frame = read(socket) => Some(frame?),
                () = self.connection.wake.notified() => None,
                () = tokio::time::sleep_until(next_ping) => {
                    if heard.elapsed() >= SILENCE {
                        return Err(End::Close(Close::Silent));
                    }
                    next_ping = Instant::now() + PING_EVERY;
                    self.write(socket, [Message::Ping(Bytes::new())]).await?;
                    None
                }
                () = self.shared.stop.cancelled() => return self.wind_down(socket).await,
            };
            for _ in 0..READ_AT_ONCE {
                let Some(ready) = frame else { break };
                self.hear(ready, socket).await?;
                // After it: a client is not silent while we make it wait.
                heard = Instant::now();
                frame = read(socket).now_or_never().transpose()?;
            }
            if let Some(ready) = frame {
                self.hear(ready, socket).await?;
            }
            self.write_due(socket).await?;
        }
    }

    /// Acts on one frame.
    async fn hear(&self, frame: Message, socket: &mut WebSocket) -> Result<(), End> {
        let text = match frame {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.refuse(
                    None,
                    vec![ErrorItem::json_invalid("binary frames are not supported")],
                );
                return Ok(());
            }
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Left),
        };
        let limit = self.shared.settings.max_frame;
        if text.len() > limit {
            self.refuse(None, vec![ErrorItem::frame_too_large(text.len(), limit)]);
            return Ok(());
        }
        let request = parse(&text);
        match request.message {
            Ok(ClientMessage::Ping) => self.answer(request.reference, ServerMessage::Pong(())),
            Ok(ClientMessage::SystemMessage(payload)) => {
                self.submit(request.reference, payload, socket).await?;
            }
            Err(errors) => self.refuse(request.reference, errors),
        }
        Ok(())
    }

    async fn submit(
        &self,
        reference: Option<String>,
        payload: TaskPayload,
        socket: &mut WebSocket,
    ) -> Result<(), End> {
        let Some(task) = self.shared.tasks.resolve(&payload.task_type) else {
            self.refuse(reference, vec![ErrorItem::task_unknown(&payload.task_type)]);
            return Ok(());
        };
        if self.connection.waits_for_too_many() {
            self.refuse(reference, vec![ErrorItem::busy()]);
            return Ok(());
        }
        let arrived = Instant::now();
        let turn = self.turn(&payload, socket).await?;
        let connection = Arc::clone(&self.connection);
        let submission = Submission {
            connection,
            reference,
            payload,
            task,
            arrived,
            turn,
        };
        match self.shared.submissions.try_send(submission) {
            Ok(()) => {}
            Err(TrySendError::Full(submission) | TrySendError::Closed(submission)) => {
                self.refuse(submission.reference, vec![ErrorItem::busy()]);
            }
        }
        Ok(())
    }

    /// Waits for a place on the way to the database, or several for a large job; the answers to earlier ones are written
    /// meanwhile.
    async fn turn(
        &self,
        payload: &TaskPayload,
        socket: &mut WebSocket,
    ) -> Result<OwnedSemaphorePermit, End> {
        let bytes = payload.content.len() + payload.task_type.len();
        let places = u32::try_from(1 + bytes / PLACE)
            .unwrap_or(UNDER_WAY)
            .min(UNDER_WAY);
        loop {
            tokio::select! {
                turn = Arc::clone(&self.turns).acquire_many_owned(places) => {
                    return Ok(turn.expect("the turns are never closed"));
                }
                () = self.connection.wake.notified() => self.write_due(socket).await?,
            }
        }
    }

    fn refuse(&self, reference: Option<String>, errors: Vec<ErrorItem>) {
        self.answer(reference, ServerMessage::Error(errors));
    }

    fn answer(&self, reference: Option<String>, message: ServerMessage) {
        self.connection
            .send(Frame::answering(message, reference).encode().into());
    }

    /// Writes what is in the outbox.
    async fn write_due(&self, socket: &mut WebSocket) -> Result<(), End> {
        let due = self.connection.take();
        if !due.messages.is_empty() {
            self.write(socket, due.messages.into_iter().map(Message::Text))
                .await?;
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
            () = self.connection.overflow.notified() => Err(End::Close(Close::TooSlow)),
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
