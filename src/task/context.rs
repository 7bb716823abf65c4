//! What a running task knows about its job, and can say about it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::TaskError;
use super::callback::{Callback, Expect};
use super::follow_up::{FollowUp, FollowUps};
use super::report::{Progress, Reporter};
use crate::ids::JobId;
use crate::telemetry::Traceparent;

/// What a running task knows about its job.
#[derive(Clone)]
pub struct Context {
    /// The job.
    pub job: JobId,
    /// Which start of it this is, from 1.
    pub attempt: i32,
    /// Whether whoever asked wants to hear of it while it runs.
    pub stream: bool,
    /// When the time of this attempt is over, where its task has a limit.
    pub deadline: Option<Instant>,
    ending: CancellationToken,
    reporter: Reporter,
    follow_ups: FollowUps,
    expect: Option<Arc<Expect>>,
    traceparent: Option<Traceparent>,
    place: Arc<dyn Any + Send + Sync>,
}

impl Context {
    /// Of this start of a job, which is to end when `ending` is given, and says what it has to say to `reporter`.
    #[must_use]
    pub fn new(
        job: JobId,
        attempt: i32,
        stream: bool,
        ending: CancellationToken,
        reporter: Reporter,
    ) -> Self {
        Self {
            job,
            attempt,
            stream,
            deadline: None,
            ending,
            reporter,
            follow_ups: FollowUps::default(),
            expect: None,
            traceparent: None,
            place: Arc::new(()),
        }
    }

    /// The same, which has until then.
    #[must_use]
    pub fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same, in this place of its worker, which is taken for as long as anything of the attempt runs.
    #[must_use]
    pub fn in_place(mut self, place: Arc<dyn Any + Send + Sync>) -> Self {
        self.place = place;
        self
    }

    /// The same, as a part of this trace.
    #[must_use]
    pub fn traced(mut self, traceparent: Option<Traceparent>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// The same, whose jobs that are to follow are gathered there.
    #[must_use]
    pub fn gathering(mut self, follow_ups: FollowUps) -> Self {
        self.follow_ups = follow_ups;
        self
    }

    /// The same, which can be called back as this arranges.
    #[must_use]
    pub fn expecting(
        mut self,
        expect: impl Fn() -> BoxFuture<'static, Result<Callback, TaskError>> + Send + Sync + 'static,
    ) -> Self {
        self.expect = Some(Arc::new(expect));
        self
    }

    /// Where and with what somebody else can say how this job went, for a task that hands it on and ends with
    /// [`TaskError::waiting`]. None, where the worker does not know under what address the gateways are reached.
    ///
    /// # Errors
    /// When it could not be stored; the job is tried again later.
    pub async fn callback(&self) -> Result<Option<Callback>, TaskError> {
        match &self.expect {
            Some(expect) => expect().await.map(Some),
            None => Ok(None),
        }
    }

    /// The trace that this attempt is a part of, as W3C Trace Context writes it in the header `traceparent`: for whatever
    /// the task calls. None, where whoever submitted the job gave none and nothing is exported.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Says how far the job is: a percentage, from 0 to 100, and what it is doing.
    ///
    /// The latest is stored and sent, at most every 100 ms. It costs little, and waits for nothing.
    pub fn progress(&self, percent: impl Into<Option<f64>>, note: &str) {
        let percent = percent.into().filter(|percent| percent.is_finite());
        self.reporter.progress(Progress {
            percent: percent.map(|percent| percent.clamp(0.0, 100.0)),
            note: (!note.is_empty()).then(|| note.replace('\0', "\u{fffd}")),
        });
    }

    /// Sends the next piece of the job's text to whoever wants to hear of it while it runs. Every piece is stored, and
    /// comes in its order; an attempt that begins anew begins its text anew.
    ///
    /// While the database is slower, or away, it waits: there is room for 64 KiB.
    pub async fn chunk(&self, text: &str) {
        self.reporter.chunk(text).await;
    }

    /// Asks for another job, which is stored in the transaction that stores this job's result: if this attempt
    /// succeeds, and only then, and once. It belongs to the owner of this job, and to its trace.
    ///
    /// # Errors
    /// When this attempt has asked for as many as it may (1,000, or a mebibyte of inputs), or the job cannot be one.
    pub fn enqueue(&self, mut job: FollowUp) -> anyhow::Result<()> {
        job.traceparent = job.traceparent.or_else(|| self.traceparent.clone());
        self.follow_ups.add(job)
    }

    /// Does work that blocks its thread, such as computing for long or reading files, on a thread of its own. A process has
    /// 512 of them; more work than that waits.
    ///
    /// Such work cannot be dropped: it should look at [`is_cancelled`](Self::is_cancelled) now and then. The place of the
    /// job in its worker is taken until it has ended.
    ///
    /// # Panics
    /// When the work does.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let place = Arc::clone(&self.place);
        let span = tracing::Span::current();
        let work = move || {
            let done = span.in_scope(work);
            drop(place);
            done
        };
        // What has not begun when the attempt is dropped never does.
        match AbortOnDropHandle::new(tokio::task::spawn_blocking(work)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is over, and so is this.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Whether the attempt is to end. When somebody has asked for that, it has half a second, and is then dropped where it
    /// waits for something; when its time is over, or its worker has stopped and waited for it for as long as it may, it
    /// has been dropped, and only what blocks a thread or runs elsewhere is left to look at this.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Waits until the attempt is to end.
    pub async fn cancelled(&self) {
        self.ending.cancelled().await;
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("job", &self.job)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
