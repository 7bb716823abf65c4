//! Ending a job that its client no longer wants.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::connection::Connection;
use crate::ids::JobId;
use crate::queue::Actor;
use crate::queue::cancel::{self, Cancelled};
use crate::wire::{ErrorItem, Frame, ServerMessage, cancelling_message};

/// How long a client that wants a job to end waits for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Cancels a job, if it is this client's, and answers.
pub(super) async fn cancel(
    shared: &Shared,
    connection: &Arc<Connection>,
    reference: Option<String>,
    job: JobId,
) {
    // The job may be over before we have said that it will be.
    let waits = connection.hold(job);
    let actor = Actor::Client {
        owner: connection.identity().subject.to_string(),
        session: connection.seat().map(|seat| seat.session),
        connection: connection.id,
        waits_for: waits.then_some(job).into_iter().collect(),
    };
    let cancelled = shared.database.run_for(PATIENCE, async |database| {
        cancel::cancel(database, job, &actor).await
    });
    let message = match cancelled.await {
        Ok(Cancelled::Ended | Cancelled::Asked) => cancelling_message(job),
        Ok(Cancelled::Over(state)) => ServerMessage::Error(vec![ErrorItem::job_over(state)]),
        Ok(Cancelled::NotFound) => {
            ServerMessage::Error(vec![ErrorItem::job_not_found("cancel_job")])
        }
        Err(error) => {
            tracing::warn!(%error, job.id = %job, "could not cancel a job");
            ServerMessage::Error(vec![ErrorItem::not_cancelled()])
        }
    };
    let frame = Frame {
        job_id: matches!(message, ServerMessage::JobCancelling(_)).then_some(job),
        ..Frame::answering(message, reference)
    };
    shared.hub.queued(connection, &[job], frame.encode().into());
}
