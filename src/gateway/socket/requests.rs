//! What a client asks for, and what is answered at once.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::super::cancel::cancel;
use super::super::intake::{Asked, Job, Reply, Submission, To};
use super::super::resume::resume;
use super::super::retry::retry;
use super::{End, Peer, UNDER_WAY};
use crate::wire::{
    ClientMessage, ErrorItem, Frame, ResumePayload, ServerMessage, parse, reference_of,
};

/// The bytes that one of a socket's places on the way to the database has room for.
const PLACE: usize = 4 * 1024;

impl Peer {
    /// Acts on one frame.
    pub(super) async fn hear(&self, frame: Message, socket: &mut WebSocket) -> Result<(), End> {
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
            let error = ErrorItem::frame_too_large(text.len(), limit);
            self.refuse(reference_of(&text), vec![error]);
            return Ok(());
        }
        let request = parse(&text);
        match request.message {
            Ok(ClientMessage::Ping) => self.answer(request.reference, ServerMessage::Pong(())),
            Ok(ClientMessage::SystemMessage(payload)) => match Job::of(payload, &self.shared.tasks)
            {
                Ok(job) => {
                    self.submit(request.reference, Asked::One(job), socket)
                        .await?;
                }
                Err(error) => self.refuse(request.reference, vec![error]),
            },
            Ok(ClientMessage::SubmitJobs(payload)) => {
                let jobs = payload.jobs.into_iter().enumerate().map(|(number, job)| {
                    Job::of(job, &self.shared.tasks).map_err(|error| error.of_job(number))
                });
                match jobs.collect() {
                    Ok(jobs) => {
                        self.submit(request.reference, Asked::Many(jobs), socket)
                            .await?;
                    }
                    Err(error) => self.refuse(request.reference, vec![error]),
                }
            }
            Ok(ClientMessage::CancelJob(payload)) => {
                let cancelled = Box::pin(async {
                    let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
                    let (shared, connection) = (&self.shared, &self.connection);
                    cancel(shared, connection, request.reference, payload.job_id).await;
                });
                self.writing(socket, cancelled).await?;
            }
            Ok(ClientMessage::RetryJob(payload)) => {
                if let Some(error) = self.connection.is_busy(1) {
                    self.refuse(request.reference, vec![error]);
                    return Ok(());
                }
                let retried = Box::pin(async {
                    let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
                    let (shared, connection) = (&self.shared, &self.connection);
                    retry(shared, connection, request.reference, payload.job_id).await;
                });
                self.writing(socket, retried).await?;
            }
            Ok(ClientMessage::Resume(asked)) => {
                self.resume(request.reference, asked, socket).await?;
            }
            Ok(ClientMessage::Ack(payload)) => {
                if let Some(acknowledged) =
                    self.shared.hub.acknowledge(&self.connection, &payload.ids)
                {
                    // Where there is no room it is dropped: what it is about may come again.
                    let _ = self.shared.acknowledged.try_send(acknowledged);
                }
            }
            Err(errors) => self.refuse(request.reference, errors),
        }
        Ok(())
    }

    async fn submit(
        &self,
        reference: Option<String>,
        asked: Asked,
        socket: &mut WebSocket,
    ) -> Result<(), End> {
        if let Some(error) = self.connection.is_busy(asked.jobs().len()) {
            self.refuse(reference, vec![error]);
            return Ok(());
        }
        let arrived = Instant::now();
        let turn = self.turn(&asked, socket).await?;
        let connection = Arc::clone(&self.connection);
        let to = To::Socket {
            connection,
            reference,
            turn,
        };
        let reply = Reply { to, arrived };
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
        Ok(())
    }

    /// Gives it its session; what it has asked for before is answered first, and belongs to it as well.
    async fn resume(
        &self,
        reference: Option<String>,
        asked: Option<ResumePayload>,
        socket: &mut WebSocket,
    ) -> Result<(), End> {
        // Boxed, since it is large and rare: otherwise its size is part of every socket's future.
        let resumed = Box::pin(async {
            let _all_answered = self.turns.acquire_many(UNDER_WAY).await;
            resume(&self.shared, &self.connection, reference, asked).await;
        });
        self.writing(socket, resumed).await
    }

    /// Waits for a place on the way to the database, or several for a large job; the answers to earlier ones are written
    /// meanwhile.
    async fn turn(
        &self,
        asked: &Asked,
        socket: &mut WebSocket,
    ) -> Result<OwnedSemaphorePermit, End> {
        let jobs = asked.jobs().iter();
        let bytes: usize = jobs
            .map(|job| job.payload.to_text().len() + job.payload.task_type.len())
            .sum();
        let places = u32::try_from(asked.jobs().len() + bytes / PLACE)
            .unwrap_or(UNDER_WAY)
            .min(UNDER_WAY);
        let turn = Arc::clone(&self.turns).acquire_many_owned(places);
        let turn = self.writing(socket, turn).await?;
        Ok(turn.expect("the turns are never closed"))
    }

    fn refuse(&self, reference: Option<String>, errors: Vec<ErrorItem>) {
        self.answer(reference, ServerMessage::Error(errors));
    }

    fn answer(&self, reference: Option<String>, message: ServerMessage) {
        self.connection
            .send(Frame::answering(message, reference).encode().into());
    }
}
