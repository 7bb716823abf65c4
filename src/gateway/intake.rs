//! Commits new jobs in natural batches: what arrives while one batch is being committed is the next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::batch;
use super::connection::{Connection, Listens};
use super::hub::Hub;
use crate::ids::{ConnectionId, GatewayId, JobId, JobIds};
use crate::postgres::Link;
use crate::postgres::link::limited;
use crate::queue::keys::readdress;
use crate::queue::tasks::KnownTask;
use crate::queue::{Answer, Asker, Due, Key, NewJob, Refusal, Rows, commit};
use crate::session;
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
    pub(super) task: KnownTask,
    /// When it was read.
    pub(super) arrived: Instant,
    /// One of the few that its socket may have under way; given back with the answer.
    pub(super) turn: OwnedSemaphorePermit,
}

impl Submission {
    /// Whether the client wants to hear of the job while it runs.
    fn listens(&self) -> Listens {
        if self.payload.stream.unwrap_or(false) {
            Listens::Yes
        } else {
            Listens::No
        }
    }
}

/// What commits the submissions of all sockets.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) link: Link,
    pub(super) ids: JobIds,
    pub(super) hub: Arc<Hub>,
    pub(super) gateway: GatewayId,
    pub(super) keep_keys: Duration,
    /// Tells the relay to look what became of a job.
    pub(super) wanted: mpsc::Sender<Vec<JobId>>,
}

impl Intake {
    /// Commits submissions until `last` is given and none is left.
    pub(super) async fn run(
        mut self,
        mut submissions: mpsc::Receiver<Submission>,
        last: Stop,
    ) -> anyhow::Result<()> {
        while let Some(mut batch) = batch::next(&mut submissions, WIDEST, &last).await {
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
                while batch.len() < WIDEST
                    && let Ok(submission) = submissions.try_recv()
                {
                    batch.push(submission);
                }
            }
            self.store(batch).await;
        }
        self.link.close().await;
        Ok(())
    }

    async fn store(&mut self, batch: Vec<Submission>) {
        // For the database's time, which a new connection measures; if there is none, committing finds out.
        let connected = self.link.connected().await.map(|_| ());
        self.link.settle(&connected);
        let jobs: Vec<NewJob> = batch.iter().map(|asked| self.job(asked)).collect();
        for (submission, job) in batch.iter().zip(&jobs) {
            self.hub
                .expect(&submission.connection, job.id, submission.listens());
        }
        let waited = batch
            .iter()
            .map(|submission| submission.arrived.elapsed())
            .max()
            .unwrap_or_default();
        let answers = commit(
            &mut self.link,
            Rows::New(&jobs),
            Some(PATIENCE.saturating_sub(waited)),
        )
        .await;
        let mut repeated = Vec::new();
        for ((submission, job), answer) in batch.into_iter().zip(jobs).zip(answers) {
            let error = match answer {
                Answer::Stored => {
                    self.queued(submission, job.id);
                    continue;
                }
                Answer::Repeats { job: other, same } => {
                    if same {
                        self.hub.forget(&submission.connection, job.id);
                        repeated.push((submission, other));
                        continue;
                    }
                    ErrorItem::key_conflict()
                }
                Answer::Refused(Refusal::Data(_)) => ErrorItem::unstorable(),
                Answer::Refused(Refusal::Locked) => ErrorItem::key_locked(),
                Answer::Refused(Refusal::Away { maybe }) => ErrorItem::unavailable(maybe),
            };
            let message = ServerMessage::Error(vec![error]);
            let frame = Frame::answering(message, submission.reference);
            let text = frame.encode().into();
            self.hub.refused(&submission.connection, job.id, text);
            drop(submission.turn);
        }
        if !repeated.is_empty() {
            self.join(repeated).await;
        }
    }

    /// Gives jobs that were submitted before to those who have asked for them again.
    async fn join(&mut self, repeated: Vec<(Submission, JobId)>) {
        for (submission, job) in &repeated {
            self.hub
                .expect(&submission.connection, *job, submission.listens());
        }
        let addresses: Vec<(JobId, ConnectionId)> = repeated
            .iter()
            .map(|(submission, job)| (*job, submission.connection.id))
            .collect();
        let addressed = async {
            let connection = self.link.connected().await?;
            limited(readdress(connection, &addresses, self.gateway)).await?;
            for (submission, job) in &repeated {
                if let Some(seat) = submission.connection.seat() {
                    limited(session::adopt(connection, seat.session, &[*job])).await?;
                }
            }
            Ok(())
        };
        let addressed = addressed.await;
        self.link.settle(&addressed);
        if let Err(error) = addressed {
            tracing::warn!(%error, "could not address jobs anew; their outcomes are found by polling");
        }
        // They may be over already. Where there is no room, this is found by polling.
        let jobs = repeated.iter().map(|(_, job)| *job).collect();
        for (submission, job) in repeated {
            self.queued(submission, job);
        }
        let _ = self.wanted.try_send(jobs);
    }

    fn job(&mut self, asked: &Submission) -> NewJob {
        let payload = &asked.payload;
        NewJob {
            id: self.ids.next(self.link.now()),
            task: asked.task.name.clone(),
            task_type: payload.task_type.clone(),
            queue: asked.task.queue.clone(),
            input: Value::String(payload.content.clone()),
            priority: payload.priority.unwrap_or(0),
            max_attempts: payload.max_attempts,
            due: match (payload.delay, payload.run_at) {
                (Some(delay), _) => {
                    Due::After(Duration::try_from_secs_f64(delay).unwrap_or_default())
                }
                (None, Some(time)) => Due::At(time.into()),
                (None, None) => Due::Now,
            },
            concurrency_key: payload.concurrency_key.clone(),
            stream: payload.stream.unwrap_or(false),
            asker: Asker {
                connection: Some(asked.connection.id),
                gateway: Some(self.gateway),
                session: asked.connection.seat().map(|seat| seat.session),
                ..Asker::nobody()
            },
            key: payload.idempotency_key.clone().map(|name| Key {
                name,
                keep: self.keep_keys,
            }),
        }
    }

    fn queued(&self, submission: Submission, job: JobId) {
        let payload = &submission.payload;
        let text = queued_text(&payload.task_type, &payload.content, job);
        let frame = Frame {
            job_id: Some(job),
            ..Frame::answering(ServerMessage::JobQueued(text), submission.reference)
        };
        let text = frame.encode().into();
        self.hub.queued(&submission.connection, job, text);
        drop(submission.turn);
    }
}
