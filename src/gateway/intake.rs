//! Commits new jobs in natural batches: what arrives while one batch is being committed is the next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::connection::Connection;
use crate::ids::{GatewayId, JobIds};
use crate::postgres::Link;
use crate::queue::fleet::TaskRow;
use crate::queue::{NewJob, Refusal, Rows, commit};
use crate::shutdown::Stop;
use crate::wire::{ErrorItem, Frame, ServerMessage, TaskPayload, queued_text};

/// How many submissions may wait to be committed; more are told that we are busy.
pub(super) const WAITING: usize = 10_000;

/// The most jobs in one batch.
const WIDEST: usize = 500;

/// How long a submission waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the sockets may run before a batch is taken: each time, more of what they have read comes with it.
const YIELDS: usize = 3;

/// A job that a socket asks for.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) connection: Arc<Connection>,
    pub(super) reference: Option<String>,
    pub(super) payload: TaskPayload,
    pub(super) task: TaskRow,
    /// When it was read.
    pub(super) arrived: Instant,
    /// One of the few that its socket may have under way.
    pub(super) turn: OwnedSemaphorePermit,
}

/// Commits submissions until `last` is given and none is left.
pub(super) async fn run(
    mut submissions: mpsc::Receiver<Submission>,
    mut link: Link,
    gateway: GatewayId,
    last: Stop,
) -> anyhow::Result<()> {
    let mut ids = JobIds::default();
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            received = submissions.recv_many(&mut batch, WIDEST) => if received == 0 { break },
            () = last.cancelled(), if !submissions.is_closed() => {
                submissions.close();
                continue;
            }
        }
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
            while batch.len() < WIDEST
                && let Ok(submission) = submissions.try_recv()
            {
                batch.push(submission);
            }
        }
        store(&mut batch, &mut link, &mut ids, gateway).await;
    }
    link.close().await;
    Ok(())
}

async fn store(batch: &mut Vec<Submission>, link: &mut Link, ids: &mut JobIds, gateway: GatewayId) {
    // For the database's time, which a new connection measures; if there is none, committing finds out.
    let connected = link.connected().await.map(|_| ());
    link.settle(&connected);
    let jobs: Vec<NewJob> = batch
        .iter()
        .map(|submission| submission.job(ids, link, gateway))
        .collect();
    for (submission, job) in batch.iter().zip(&jobs) {
        submission.connection.expect(job.id);
    }
    let waited = batch
        .iter()
        .map(|submission| submission.arrived.elapsed())
        .max()
        .unwrap_or_default();
    let refusals = commit(
        link,
        Rows::New(&jobs),
        Some(PATIENCE.saturating_sub(waited)),
    )
    .await;
    for ((submission, job), refusal) in batch.drain(..).zip(jobs).zip(refusals) {
        submission.answer(&job, refusal);
    }
}

impl Submission {
    fn job(&self, ids: &mut JobIds, link: &Link, gateway: GatewayId) -> NewJob {
        NewJob {
            id: ids.next(link.now()),
            task: self.task.name.clone(),
            task_type: self.payload.task_type.clone(),
            queue: self.task.queue.clone(),
            input: Value::String(self.payload.content.clone()),
            priority: 0,
            max_attempts: self.task.max_attempts,
            due_at: None,
            connection: Some(self.connection.id),
            gateway: Some(gateway),
        }
    }

    fn answer(self, job: &NewJob, refusal: Option<Refusal>) {
        let Self {
            connection,
            reference,
            payload,
            turn,
            ..
        } = self;
        match refusal {
            None => {
                let text = queued_text(&payload.task_type, &payload.content, job.id);
                let frame = Frame {
                    job_id: Some(job.id),
                    ..Frame::answering(ServerMessage::JobQueued(text), reference)
                };
                connection.queued(job.id, frame.encode().into());
            }
            Some(refusal) => {
                let error = match refusal {
                    Refusal::Data(_) => ErrorItem::unstorable(),
                    Refusal::Away { maybe } => ErrorItem::unavailable(maybe),
                };
                let frame = Frame::answering(ServerMessage::Error(vec![error]), reference);
                connection.refused(job.id, frame.encode().into());
            }
        }
        drop(turn);
    }
}
