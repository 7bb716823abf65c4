//! Following a job: its events as they happen, each a message of the socket (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Extension;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{StreamExt, stream};

use super::super::Shared;
use super::super::crowd::Place;
use super::super::identify::Who;
use super::super::told::frame_of;
use super::super::watch::Watch;
use super::Refused;
use super::answer::Answer;
use super::query::Id;
use super::read::find_in_time;
use super::values::position;
use crate::postgres::Backoff;
use crate::queue::follow::{Event, Follower};
use crate::queue::report::Position;
use crate::shutdown;
use crate::wire::{ErrorItem, ErrorType, chunk_message, progress_message};

/// How often a comment is sent where there is nothing to say, so that nobody takes the connection for dead.
pub(super) const PULSE: Duration = Duration::from_secs(15);

/// How long a client that was cut off is asked to wait before it comes back.
pub(super) const COME_BACK: Duration = Duration::from_secs(1);

/// The id of the last event of a job.
const OVER: &str = "over";

pub(super) async fn follow(
    Extension(shared): Extension<Shared>,
    who: Who,
    Id(id): Id,
    headers: HeaderMap,
) -> Answer {
    let last = last_event(&headers)?;
    find_in_time(&shared, &who, id).await?;
    let place = who.stay(&shared)?;
    // Before the first look, so that nothing happens between the two.
    let Some(watch) = shared.watched.watch(id) else {
        return Err(ErrorItem::busy().into());
    };
    let at = match last {
        Last::Event(at) => at,
        // Anything else would make a browser come back for ever.
        Last::Over => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let following = Following {
        _place: place,
        follower: Follower::new(id, at),
        watch,
        shared,
        ready: VecDeque::from([sse::Event::default().retry(COME_BACK)]),
        over: false,
    };
    let events = stream::unfold(following, |mut following| async {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let events = events.take_until(who.over());
    let pulse = KeepAlive::new().interval(PULSE);
    Ok(Sse::new(events).keep_alive(pulse).into_response())
}

/// The last event that a client has.
enum Last {
    Event(Position),
    Over,
}

fn last_event(headers: &HeaderMap) -> Result<Last, Refused> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(Last::Event(Position::default()));
    };
    let id = id.to_str().unwrap_or("?");
    if id.is_empty() {
        return Ok(Last::Event(Position::default()));
    }
    if id == OVER {
        return Ok(Last::Over);
    }
    position(id).map(Last::Event).ok_or_else(|| {
        let msg = "Input should be the id of an event, such as 2-17";
        ErrorItem::new(ErrorType::ValueError, &["header", "Last-Event-ID"], msg).into()
    })
}

/// A request that follows a job.
struct Following {
    _place: Option<Place<Arc<str>>>,
    follower: Follower,
    watch: Watch,
    shared: Shared,
    /// Events that are still to be sent.
    ready: VecDeque<sse::Event>,
    /// Nothing comes after them.
    over: bool,
}

impl Following {
    /// The next event; none, where the job is over or the gateway stops.
    async fn next(&mut self) -> Option<sse::Event> {
        let mut backoff = Backoff::new();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            match self.look().await {
                Ok(events) if events.is_empty() => tokio::select! {
                    () = self.watch.news() => {}
                    () = self.shared.stop.cancelled() => return None,
                },
                Ok(events) => {
                    self.over = matches!(events.last(), Some(Event::Ended(_)));
                    self.ready.extend(events.into_iter().map(event_of));
                }
                Err(error) => {
                    let delay = backoff.failed(&error, "could not follow a job");
                    if !shutdown::sleep(delay, &self.shared.stop).await {
                        return None;
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<Event>, sqlx::Error> {
        let Self {
            follower, shared, ..
        } = self;
        shared
            .database
            .run(async |database| follower.look(database).await)
            .await
    }
}

/// An event of a job as the message that the socket would have sent; its name is the message's.
fn event_of(event: Event) -> sse::Event {
    let (name, id, frame) = match event {
        Event::Chunk(chunk) => {
            let Position { attempt, seq } = chunk.at;
            let id = format!("{attempt}-{seq}");
            let frame = chunk_message(chunk.id, attempt, seq, chunk.text);
            ("job_chunk", Some(id), frame)
        }
        Event::Progress(said) => {
            // What we cannot read is not a progress.
            let payload = serde_json::from_str(&said.progress).unwrap_or_default();
            let frame = progress_message(said.id, said.attempt, payload);
            ("job_progress", None, frame)
        }
        Event::Ended(outcome) => {
            let name = match outcome.state.as_str() {
                "succeeded" => "job_result",
                "cancelled" => "job_cancelled",
                _ => "job_failed",
            };
            (name, Some(OVER.to_owned()), frame_of(outcome))
        }
    };
    let event = sse::Event::default().event(name).data(frame.encode());
    match id {
        Some(id) => event.id(id),
        None => event,
    }
}
