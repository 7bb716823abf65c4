//! Commits new jobs in natural batches: what arrives while one batch is being committed is the next.

mod job;
mod many;
mod ones;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::batch;
use super::connection::Connection;
use super::hub::Hub;
use super::subjects::Grant;
use crate::auth::Identity;
use crate::ids::{ConnectionId, GatewayId, JobId, JobIds};
use crate::postgres::Link;
use crate::queue::keys::readdress;
use crate::queue::{Due, Key, NewJob, Refusal};
use crate::session;
use crate::shutdown::Stop;
use crate::wire::ErrorItem;

pub(super) use job::Job;
pub(super) use reply::{Reply, To};

/// How many submissions may wait to be committed; more are told that we are busy.
pub(super) const WAITING: usize = 10_000;

/// The most jobs in one batch.
const WIDEST: usize = 500;

/// How long a submission waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the sockets may run before a batch is taken: each time, more of what they have read comes with it.
const YIELDS: usize = 3;

/// What a socket or a request asks for.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) asked: Asked,
    pub(super) reply: Reply,
}

/// One job, or many of which all are stored, or none.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "as a rule it is one, which needs no box of its own"
)]
pub(super) enum Asked {
    One(Job),
    Many(Vec<Job>),
}

impl Asked {
    /// The jobs.
    pub(super) fn jobs(&self) -> &[Job] {
        match self {
            Self::One(job) => std::slice::from_ref(job),
            Self::Many(jobs) => jobs,
        }
    }
}

/// Asks for jobs, and waits until they are stored; answers which they are.
pub(super) async fn request(
    submissions: &mpsc::Sender<Submission>,
    owner: Arc<Identity>,
    grant: Grant,
    asked: Asked,
) -> Result<Vec<JobId>, ErrorItem> {
    let (answer, answered) = oneshot::channel();
    let reply = Reply {
        to: To::Request { owner, answer },
        arrived: Instant::now(),
        _grant: grant,
    };
    if submissions.try_send(Submission { asked, reply }).is_err() {
        return Err(ErrorItem::busy());
    }
    // Whoever commits them is gone without an answer only when the process is.
    answered
        .await
        .unwrap_or_else(|_| Err(ErrorItem::unavailable(true)))
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
        // Now, and not with the first job: by then others may have taken what connections there are.
        let _ = last.run_until_cancelled(self.link.connected()).await;
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
        let _ = self.link.ready().await;
        let (mut ones, mut many) = (Vec::new(), Vec::new());
        for Submission { asked, reply } in batch {
            match asked {
                Asked::One(job) => ones.push((reply, job)),
                Asked::Many(jobs) => many.push((reply, jobs)),
            }
        }
        if !ones.is_empty() {
            self.store_ones(ones).await;
        }
        for (reply, jobs) in many {
            self.store_many(reply, jobs).await;
        }
    }

    /// Addresses jobs that were submitted before to the sockets that have asked for them again.
    async fn address(&mut self, repeated: &[(JobId, Arc<Connection>)]) {
        if repeated.is_empty() {
            return;
        }
        let addresses: Vec<(JobId, ConnectionId)> = repeated
            .iter()
            .map(|(job, connection)| (*job, connection.id))
            .collect();
        let gateway = self.gateway;
        let addressed = self.link.run(async |database| {
            readdress(database, &addresses, gateway).await?;
            for (job, connection) in repeated {
                if let Some(seat) = connection.seat() {
                    session::adopt(database, seat.session, &[*job]).await?;
                }
            }
            Ok(())
        });
        if let Err(error) = addressed.await {
            tracing::warn!(%error, "could not address jobs anew; their outcomes are found by polling");
        }
    }

    /// Looks whether jobs that were submitted before are over already.
    fn look_at(&self, repeated: &[(JobId, Arc<Connection>)]) {
        if repeated.is_empty() {
            return;
        }
        // Where there is no room, this is found by polling.
        let jobs = repeated.iter().map(|(job, _)| *job).collect();
        let _ = self.wanted.try_send(jobs);
    }

    fn new_job(&mut self, reply: &Reply, asked: &Job) -> NewJob {
        let payload = &asked.payload;
        NewJob {
            id: self.ids.next(self.link.now()),
            task: asked.task.task.name.clone(),
            task_type: payload.task_type.clone(),
            queue: asked.task.task.queue.clone(),
            input: asked.input.clone(),
            priority: payload.priority.unwrap_or(0),
            max_attempts: payload.max_attempts,
            due: Due::of(payload.delay, payload.run_at),
            concurrency_key: payload.concurrency_key.clone(),
            stream: payload.stream.unwrap_or(false),
            traceparent: asked.traceparent(),
            asker: reply.asker(self.gateway),
            key: payload.idempotency_key.clone().map(|name| Key {
                name,
                keep: self.keep_keys,
            }),
        }
    }
}

fn refused(refusal: &Refusal) -> ErrorItem {
    match refusal {
        Refusal::Data(_) => ErrorItem::unstorable(),
        Refusal::Locked => ErrorItem::key_locked(),
        Refusal::Away { maybe } => ErrorItem::unavailable(*maybe),
    }
}
