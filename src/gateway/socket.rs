//! The life of one connection: one task that reads everything that is ready, then writes everything that is ready.

mod guest;
mod missed;
mod pulse;
mod requests;
mod writing;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::Shared;
use super::api::Refused;
use super::authenticate;
use super::connection::{Call, Connection};
use super::door::Visit;
use super::front::Front;
use super::goodbye;
use crate::session;
use crate::wire::Close;

use guest::Guest;
use missed::{Missed, Page};
use pulse::{Due, Pulse};

/// How many of a socket's submissions may be on their way to the database; it is not read further before they are
/// answered, so that one client cannot fill the intake.
const UNDER_WAY: u32 = 256;

/// How many ready frames are read before what they caused is written.
const READ_AT_ONCE: usize = 64;

/// A frame up to this many times the limit is read past and refused; a larger one closes the socket.
const HARD_LIMIT_FACTOR: usize = 16;

/// The read buffer stays with the socket, so it is small; a larger frame grows it for a while.
const READ_BUFFER: usize = 1024;

/// Written through beyond this, so that a socket does not keep a large buffer.
const WRITE_BUFFER: usize = 8 * 1024;

/// How long the database may take to note that a session has lost its socket.
const LEAVING: Duration = Duration::from_secs(5);

pub(super) async fn upgrade(
    State(front): State<Arc<Front>>,
    Extension(visit): Extension<Arc<Visit>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let who = authenticate::opening(&headers, &front).await?;
    let shared = front.of(&who.0.subject)?;
    let guest = Guest::receive(&front, &shared, visit, &who, &headers)?;
    let hard_limit = shared.settings.max_frame.saturating_mul(HARD_LIMIT_FACTOR);
    let response = upgrade
        .protocols([authenticate::PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(usize::MAX)
        .max_frame_size(hard_limit)
        .max_message_size(hard_limit)
        .on_upgrade(move |socket| {
            let tracker = front.sockets.clone();
            let connection = Arc::new(Connection::new(who.0));
            let span = tracing::debug_span!("connection", connection.id = %connection.id);
            tracker.track_future(live(socket, connection, guest, shared).instrument(span))
        });
    Ok(response)
}

/// Not an `async fn`, whose arguments would be in its future twice.
fn live(
    mut socket: WebSocket,
    connection: Arc<Connection>,
    guest: Box<Guest>,
    shared: Shared,
) -> impl Future<Output = ()> {
    let peer = Peer {
        connection,
        guest,
        shared,
        turns: Arc::new(Semaphore::new(UNDER_WAY as usize)),
    };
    async move {
        tracing::debug!("connected");
        peer.shared.hub.join(&peer.connection);
        let Err(end) = peer.talk(&mut socket).await;
        peer.shared.hub.leave(&peer.connection);
        // Boxed, like all that is rare: otherwise its size is part of every socket.
        Box::pin(async move {
            peer.leave_session().await;
            tracing::debug!(?end, "disconnected");
            match end {
                End::Gone => {}
                End::Left => goodbye::answer(socket).await,
                End::Close(why) => goodbye::say(socket, why).await,
            }
        })
        .await;
    }
}

/// The other side of a socket.
struct Peer {
    connection: Arc<Connection>,
    guest: Box<Guest>,
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
    CatchUp(Page),
    Write,
    Pulse(Due),
    Stop,
}

impl Peer {
    /// Talks until one side ends it.
    async fn talk(&self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let settings = &self.shared.settings;
        let mut pulse = Pulse::new(settings.ping_every, settings.ping_patience);
        let mut missed = Missed::default();
        loop {
            let frame = match self.next(socket, &mut missed, &mut pulse).await? {
                Next::Hear(frame) => Some(frame),
                Next::CatchUp((asked, page)) => {
                    self.connection.catch_up(asked, page);
                    None
                }
                Next::Write => None,
                Next::Pulse(Due::Ask) => {
                    let ping = [Message::Ping(Bytes::new())];
                    missed.beside(self.write(socket, ping)).await?;
                    pulse.asked();
                    None
                }
                // It may have answered while we were writing to it.
                Next::Pulse(Due::GiveUp) => match read(socket).now_or_never() {
                    Some(frame) => Some(frame?),
                    None => return Err(End::Close(Close::Silent)),
                },
                Next::Stop => break,
            };
            missed.beside(self.act(frame, socket, &mut pulse)).await?;
            missed.look(&self.connection, &self.shared);
        }
        drop(missed);
        Box::pin(self.wind_down(socket)).await
    }

    /// Waits for whatever comes next. What waits to be written goes first, and what was missed: whoever sends without
    /// pause is answered, and told.
    async fn next(
        &self,
        socket: &mut WebSocket,
        missed: &mut Missed,
        pulse: &mut Pulse,
    ) -> Result<Next, End> {
        poll_fn(|cx| {
            if let Poll::Ready(call) = self.connection.poll_call(cx) {
                return Poll::Ready(Ok(match call {
                    Call::Write => Next::Write,
                    Call::Stop => Next::Stop,
                }));
            }
            if let Poll::Ready(page) = missed.poll_page(cx) {
                return Poll::Ready(Ok(Next::CatchUp(page)));
            }
            if let Poll::Ready(frame) = socket.poll_next_unpin(cx) {
                return Poll::Ready(heard(frame).map(Next::Hear));
            }
            pulse.poll_due(cx).map(|due| Ok(Next::Pulse(due)))
        })
        .await
    }

    /// Reads everything that is ready, then writes everything that is ready.
    async fn act(
        &self,
        mut frame: Option<Message>,
        socket: &mut WebSocket,
        pulse: &mut Pulse,
    ) -> Result<(), End> {
        let mut left = READ_AT_ONCE;
        while let Some(ready) = frame {
            if let Some(work) = self.hear(ready)? {
                self.writing(socket, work).await?;
            }
            // After it: a client is not silent while we make it wait.
            pulse.heard();
            left -= 1;
            frame = match left {
                0 => None,
                _ => read(socket).now_or_never().transpose()?,
            };
        }
        self.write_due(socket).await
    }

    /// Its session lives on without it. While the gateway stops, all sessions are left together.
    async fn leave_session(&self) {
        let Some(seat) = self.connection.seat() else {
            return;
        };
        if self.shared.stop.is_cancelled() {
            return;
        }
        let database = &self.shared.database;
        let left = database.run_for(LEAVING, async |database| {
            session::leave(database, seat).await
        });
        if let Err(error) = left.await {
            tracing::debug!(%error, "could not leave a session; it is let go of later");
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
    heard(socket.next().await)
}

fn heard(frame: Option<Result<Message, axum::Error>>) -> Result<Message, End> {
    match frame {
        Some(Ok(frame)) => Ok(frame),
        Some(Err(error)) => {
            tracing::debug!(%error, "could not read");
            Err(goodbye::after(&error).map_or(End::Gone, End::Close))
        }
        None => Err(End::Gone),
    }
}
