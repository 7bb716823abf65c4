//! What a client asks for, and what is answered at once.

use std::sync::Arc;

use axum::extract::ws::Message;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::super::authenticate::authenticate;
use super::super::cancel::cancel;
use super::super::intake::{Asked, Job, Reply, Submission, To};
use super::super::resume::resume;
use super::super::retry::retry;
use super::super::subjects::Grant;
use super::{End, Peer, UNDER_WAY};
use crate::auth::Scope;
use crate::wire::{
    ClientMessage, ErrorItem, Frame, Request, ServerMessage, TOO_FAST, parse, reference_of,
};

/// The bytes that one of a socket's places on the way to the database has room for.
const PLACE: usize = 4 * 1024;

/// What a frame has begun, and the socket waits for before it reads the next one. Boxed, since it is rare: otherwise
/// its size is part of every socket.
pub(super) type Work<'a> = BoxFuture<'a, ()>;

impl Peer {
    /// Acts on one frame.
    pub(super) fn hear(&self, frame: Message) -> Result<Option<Work<'_>>, End> {
        let text = match frame {
            Message::Text(text) => text,
            Message::Binary(_) => {
                let error = ErrorItem::json_invalid("binary frames are not supported");
                self.refuse(None, vec![error]);
                return Ok(None);
            }
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) => return Ok(None),
            Message::Close(_) => return Err(End::Left),
        };
        if let Err(after) = self.guest.ask() {
            let error = ErrorItem::rate_limited(TOO_FAST, after);
            self.refuse(reference_of(&text), vec![error]);
            return Ok(None);
        }
        let limit = self.shared.settings.max_frame;
        if text.len() > limit {
            let error = ErrorItem::frame_too_large(text.len(), limit);
            self.refuse(reference_of(&text), vec![error]);
            return Ok(None);
        }
        let Request { message, reference } = parse(&text);
        let begun = match message {
            Ok(message) => self.act_on(message, reference.clone()),
            Err(errors) => Err(errors),
        };
        Ok(begun.unwrap_or_else(|errors| {
            self.refuse(reference, errors);
            None
        }))
    }

    fn act_on(
        &self,
        message: ClientMessage,
        reference: Option<String>,
    ) -> Result<Option<Work<'_>>, Vec<ErrorItem>> {
        let (shared, connection) = (&self.shared, &self.connection);
        match message {
            ClientMessage::Ping => {
                self.answer(reference, ServerMessage::Pong(()));
                Ok(None)
            }
            ClientMessage::SystemMessage(payload) => {
                self.may_submit("system_message")?;
                let job = Job::of(payload, &shared.tasks, shared.settings.limits.content)?;
                self.submit(reference, Asked::One(job))
            }
            ClientMessage::SubmitJobs(payload) => {
                self.may_submit("submit_jobs")?;
                let jobs = Job::all(payload.jobs, &shared.tasks, shared.settings.limits.content)?;
                self.submit(reference, Asked::Many(jobs))
            }
            ClientMessage::CancelJob(payload) => {
                self.may_submit("cancel_job")?;
                Ok(Some(Box::pin(async move {
                    let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
                    cancel(shared, connection, reference, payload.job_id).await;
                })))
            }
            ClientMessage::RetryJob(payload) => {
                self.may_submit("retry_job")?;
                drop(self.may_ask_for(1)?);
                Ok(Some(Box::pin(async move {
                    let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
                    retry(shared, connection, reference, payload.job_id).await;
                })))
            }
            // What it has asked for before is answered first, and belongs to its session as well.
            ClientMessage::Resume(asked) => Ok(Some(Box::pin(async move {
                let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
                resume(shared, connection, reference, asked).await;
            }))),
            ClientMessage::Authenticate(payload) => Ok(Some(Box::pin(async move {
                authenticate(shared, connection, reference, payload.ticket).await;
            }))),
            ClientMessage::Ack(payload) => {
                if let Some(acknowledged) = shared.hub.acknowledge(connection, &payload.ids) {
                    // Where there is no room it is dropped: what it is about may come again.
                    let _ = shared.acknowledged.try_send(acknowledged);
                }
                Ok(None)
            }
        }
    }

    /// Hands on what was asked for as soon as it has a place on the way to the database, or several if it is large.
    fn submit(
        &self,
        reference: Option<String>,
        asked: Asked,
    ) -> Result<Option<Work<'_>>, Vec<ErrorItem>> {
        let grant = self.may_ask_for(asked.jobs().len())?;
        let arrived = Instant::now();
        let places = places(&asked);
        let hand_on = move |turn| {
            let connection = Arc::clone(&self.connection);
            let to = To::Socket {
                connection,
                reference,
                turn,
            };
            let reply = Reply {
                to,
                arrived,
                _grant: grant,
            };
            match self
                .shared
                .submissions
                .try_send(Submission { asked, reply })
            {
                Ok(()) => {}
                Err(TrySendError::Full(submission) | TrySendError::Closed(submission)) => {
                    let reply = submission.reply;
                    reply.refused(&self.shared.hub, &[], ErrorItem::busy());
                }
            }
        };
        match Arc::clone(&self.turns).try_acquire_many_owned(places) {
            Ok(turn) => {
                hand_on(turn);
                Ok(None)
            }
            Err(_) => Ok(Some(Box::pin(async move {
                let turn = Arc::clone(&self.turns).acquire_many_owned(places).await;
                hand_on(turn.expect("the turns are never closed"));
            }))),
        }
    }

    fn may_submit(&self, action: &str) -> Result<(), Vec<ErrorItem>> {
        let needs = Scope::JobsSubmit;
        if self.connection.identity().may(needs) {
            return Ok(());
        }
        Err(vec![ErrorItem::needs(needs, &[action])])
    }

    fn may_ask_for(&self, jobs: usize) -> Result<Grant, Vec<ErrorItem>> {
        if let Some(error) = self.connection.is_busy(jobs) {
            return Err(vec![error]);
        }
        let granted = self.shared.subjects.grant(self.guest.subject(), jobs);
        granted.map_err(|error| vec![error])
    }

    fn refuse(&self, reference: Option<String>, errors: Vec<ErrorItem>) {
        self.answer(reference, ServerMessage::Error(errors));
    }

    fn answer(&self, reference: Option<String>, message: ServerMessage) {
        self.connection
            .send(Frame::answering(message, reference).encode().into());
    }
}

fn places(asked: &Asked) -> u32 {
    let jobs = asked.jobs().iter();
    let bytes: usize = jobs
        .map(|job| job.payload.to_text().len() + job.payload.task_type.len())
        .sum();
    u32::try_from(asked.jobs().len() + bytes / PLACE)
        .unwrap_or(UNDER_WAY)
        .min(UNDER_WAY)
}
