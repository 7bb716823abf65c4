//! Pushing: apalis' `TaskSink`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use apalis_core::task::Task;
use apalis_core::task::task_id::TaskId;
use futures_util::Sink;
use futures_util::future::BoxFuture;
use serde::Serialize;
use uuid::Uuid;

use super::{Backend, BackendError};
use crate::ids::{JobId, JobIds};
use crate::postgres::{Database, Link};
use crate::queue::{Answer, Asker, Due, NewJob, Refusal, Rows, commit};

/// How long a push waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// Jobs that were pushed, on their way to the database.
pub(super) struct Pushing {
    waiting: Vec<NewJob>,
    idle: Option<Box<(Link, JobIds)>>,
    flush: Option<BoxFuture<'static, Flushed>>,
}

type Flushed = (Box<(Link, JobIds)>, Result<(), BackendError>);

/// With this, apalis' `TaskSink` is implemented.
impl<Args: Serialize + Unpin> Sink<Task<Args>> for Backend<Args> {
    type Error = BackendError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BackendError>> {
        if self.pushing.waiting.len() < self.settings.concurrency {
            Poll::Ready(Ok(()))
        } else {
            self.pushing.poll(cx)
        }
    }

    fn start_send(mut self: Pin<&mut Self>, item: Task<Args>) -> Result<(), BackendError> {
        let (args, context) = item.take();
        let task = &self.work.tasks[0];
        let id = context.task_id().map_or(Uuid::nil(), TaskId::to_uuid);
        let job = NewJob {
            id: JobId(id),
            task: task.name.clone(),
            task_type: task.name.clone(),
            queue: context
                .queue()
                .map_or_else(|| task.queue.clone(), ToString::to_string),
            input: serde_json::to_value(args)?,
            priority: context
                .priority()
                .map_or(0, |priority| i16::try_from(priority).unwrap_or(i16::MAX)),
            max_attempts: context.max_attempts().map(at_least_one),
            due: context.run_at().map_or(Due::Now, |seconds| {
                Due::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            }),
            concurrency_key: None,
            stream: false,
            traceparent: None,
            asker: Asker::nobody(),
            key: None,
        };
        self.pushing.waiting.push(job);
        Ok(())
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BackendError>> {
        self.pushing.poll(cx)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BackendError>> {
        self.pushing.poll(cx)
    }
}

fn at_least_one(attempts: usize) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX).max(1)
}

impl Pushing {
    pub(super) fn new(database: &Database) -> Self {
        let idle = Box::new((database.link("push"), JobIds::default()));
        Self {
            waiting: Vec::new(),
            idle: Some(idle),
            flush: None,
        }
    }

    /// Stores what is waiting.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        loop {
            if let Some(flush) = &mut self.flush {
                let (idle, result) = ready!(flush.as_mut().poll(cx));
                self.flush = None;
                self.idle = Some(idle);
                if result.is_err() {
                    return Poll::Ready(result);
                }
            }
            if self.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let jobs = std::mem::take(&mut self.waiting);
            let idle = self
                .idle
                .take()
                .expect("it is idle whenever nothing is being flushed");
            self.flush = Some(Box::pin(flush(idle, jobs)));
        }
    }
}

async fn flush(mut idle: Box<(Link, JobIds)>, mut jobs: Vec<NewJob>) -> Flushed {
    let (link, ids) = &mut *idle;
    // For the database's time, which a new connection measures; if there is none, committing says so.
    let _ = link.ready().await;
    for job in jobs
        .iter_mut()
        .filter(|job| job.id.0.get_version_num() != 7)
    {
        job.id = ids.next(link.now());
    }
    let answers = commit(link, Rows::New(&jobs), Some(PATIENCE)).await;
    let result = answers.into_iter().try_for_each(|answer| match answer {
        Answer::Stored | Answer::Repeats { .. } => Ok(()),
        Answer::Refused(Refusal::Data(error)) => Err(BackendError::Refused(error)),
        // Only keys are held, and what is pushed has none.
        Answer::Refused(Refusal::Locked | Refusal::Away { .. }) => Err(BackendError::Away),
    });
    (idle, result)
}
