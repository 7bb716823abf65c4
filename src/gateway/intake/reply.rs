//! Who asks for jobs, and how they are answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::PATIENCE;
use crate::auth::Identity;
use crate::gateway::connection::{Connection, Listens};
use crate::gateway::hub::Hub;
use crate::gateway::subjects::Grant;
use crate::ids::{GatewayId, JobId};
use crate::queue::Asker;
use crate::wire::{ErrorItem, Frame, ServerMessage};

/// Who asks, and is to be answered.
#[derive(Debug)]
pub(in crate::gateway) struct Reply {
    pub(in crate::gateway) to: To,
    /// When it was read.
    pub(in crate::gateway) arrived: Instant,
    /// That it may be on its way; given back with the answer.
    pub(in crate::gateway) _grant: Grant,
}

/// Where an answer goes.
#[derive(Debug)]
pub(in crate::gateway) enum To {
    /// To a socket, which gets the outcomes as well.
    Socket {
        connection: Arc<Connection>,
        /// Its mark of the message.
        reference: Option<String>,
        /// One of the few submissions that it may have under way; given back with the answer.
        turn: OwnedSemaphorePermit,
    },
    /// To a request, which looks after its jobs by itself.
    Request {
        owner: Arc<Identity>,
        answer: oneshot::Sender<Result<Vec<JobId>, ErrorItem>>,
    },
}

impl Reply {
    /// How long it may still wait for a database that is away.
    pub(super) fn patience(&self) -> Duration {
        PATIENCE.saturating_sub(self.arrived.elapsed())
    }

    /// Whose the jobs are, and where their outcomes go.
    pub(super) fn asker(&self, gateway: GatewayId) -> Asker {
        let connection = self.connection();
        Asker {
            connection: connection.map(|connection| connection.id),
            gateway: Some(gateway),
            session: connection
                .and_then(|connection| connection.seat())
                .map(|seat| seat.session),
            owner: match &self.to {
                To::Socket { connection, .. } => connection.identity().subject.to_string(),
                To::Request { owner, .. } => owner.subject.to_string(),
            },
        }
    }

    /// The socket that asks, if it is one.
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        match &self.to {
            To::Socket { connection, .. } => Some(connection),
            To::Request { .. } => None,
        }
    }

    /// The job is about to be stored, or was before: a socket waits for its outcome.
    pub(super) fn expect(&self, hub: &Hub, job: JobId, listens: Listens) {
        if let Some(connection) = self.connection() {
            hub.expect(connection, job, listens);
        }
    }

    /// There is no such job: what was asked for has another id.
    pub(super) fn forget(&self, hub: &Hub, job: JobId) {
        if let Some(connection) = self.connection() {
            hub.forget(connection, job);
        }
    }

    /// The jobs are stored. A socket is told so with `frame`.
    pub(super) fn stored(self, hub: &Hub, jobs: Vec<JobId>, frame: Frame) {
        match self.to {
            To::Socket {
                connection,
                reference,
                turn,
            } => {
                let text = Frame { reference, ..frame }.encode();
                hub.queued(&connection, &jobs, text.into());
                drop(turn);
            }
            // Who has gone meanwhile has a job all the same.
            To::Request { answer, .. } => drop(answer.send(Ok(jobs))),
        }
    }

    /// The jobs were not stored, for this reason.
    pub(in crate::gateway) fn refused(self, hub: &Hub, jobs: &[JobId], error: ErrorItem) {
        match self.to {
            To::Socket {
                connection,
                reference,
                turn,
            } => {
                let message = ServerMessage::Error(vec![error]);
                let text = Frame::answering(message, reference).encode();
                hub.refused(&connection, jobs, text.into());
                drop(turn);
            }
            To::Request { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}
