//! Giving a client's job another chance.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgConnection;

use super::Shared;
use super::connection::{Connection, Listens};
use crate::ids::JobId;
use crate::queue::keys::readdress;
use crate::queue::retry::{self, Retried};
use crate::queue::{Actor, jobs};
use crate::session;
use crate::wire::{ErrorItem, Frame, ServerMessage, queued_text};

/// How long a client that wants a job to be retried waits for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Retries a job, if it is this client's, and answers.
pub(super) async fn retry(
    shared: &Shared,
    connection: &Arc<Connection>,
    reference: Option<String>,
    old: JobId,
) {
    // What is said of it from now on comes after the answer.
    let waits = connection.hold(old);
    let mut expected = Vec::new();
    let retried = shared.database.run_for(PATIENCE, async |database| {
        let new = retry::new_id(database).await?;
        // Before it is there, so that its outcome finds who has asked for it.
        shared.hub.expect(connection, new, Listens::No);
        expected.push(new);
        let actor = Actor::Client {
            owner: connection.identity().subject.to_string(),
            session: connection.seat().map(|seat| seat.session),
            connection: connection.id,
            waits_for: waits.then_some(old).into_iter().collect(),
        };
        let gateway = Some(shared.gateway);
        let retried = retry::retry(database, old, Some(new), &actor, gateway).await?;
        let job = match retried {
            Retried::Due(job) => job,
            Retried::Again(new) | Retried::Known(new) => {
                let listens = if new.stream {
                    Listens::Yes
                } else {
                    Listens::No
                };
                shared.hub.expect(connection, new.job, listens);
                expected.push(new.job);
                new.job
            }
            Retried::Not(state) => return Ok(Err(ErrorItem::job_not_to_retry(state))),
            Retried::NotFound => return Ok(Err(ErrorItem::job_not_found("retry_job"))),
        };
        if matches!(retried, Retried::Known(_)) {
            address(database, shared, connection, job).await?;
        }
        let text = text_of(database, job).await?;
        Ok(Ok((job, text)))
    });
    let retried = retried.await.unwrap_or_else(|error| {
        tracing::warn!(%error, job.id = %old, "could not retry a job");
        Err(ErrorItem::not_retried())
    });
    let told = retried.as_ref().ok().map(|(job, _)| *job);
    for job in expected.into_iter().filter(|job| told != Some(*job)) {
        shared.hub.forget(connection, job);
    }
    let frame = match retried {
        Ok((job, text)) => Frame {
            job_id: Some(job),
            ..Frame::answering(ServerMessage::JobQueued(text), reference)
        },
        Err(error) => Frame::answering(ServerMessage::Error(vec![error]), reference),
    };
    let mut answered = vec![old];
    answered.extend(told.filter(|job| *job != old));
    shared
        .hub
        .queued(connection, &answered, frame.encode().into());
    // It may be over already. Where there is no room, this is found by polling.
    let _ = shared.wanted.try_send(answered);
}

/// Gives a job that somebody has asked for before to this socket as well.
async fn address(
    database: &mut PgConnection,
    shared: &Shared,
    connection: &Connection,
    job: JobId,
) -> Result<(), sqlx::Error> {
    readdress(database, &[(job, connection.id)], shared.gateway).await?;
    match connection.seat() {
        Some(seat) => session::adopt(database, seat.session, &[job]).await,
        None => Ok(()),
    }
}

/// What a client is told of a job that is queued.
async fn text_of(database: &mut PgConnection, job: JobId) -> Result<String, sqlx::Error> {
    let found = jobs::find(database, job).await?;
    let (task_type, input) = found.map_or_else(
        || (String::new(), String::new()),
        |job| {
            let input = match job.input {
                Value::String(text) => text,
                other => other.to_string(),
            };
            (job.task_type, input)
        },
    );
    Ok(queued_text(&task_type, &input, job))
}
