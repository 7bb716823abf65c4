//! What a running task knows about its job, and can say about it.

use tokio_util::sync::CancellationToken;

use super::report::{Progress, Reporter};
use crate::ids::JobId;

/// What a running task knows about its job.
#[derive(Clone, Debug)]
pub struct Context {
    /// The job.
    pub job: JobId,
    /// Which start of it this is, from 1.
    pub attempt: i32,
    /// Whether whoever asked wants to hear of it while it runs.
    pub stream: bool,
    cancelled: CancellationToken,
    reporter: Reporter,
}

impl Context {
    /// Of this start of a job, which ends early when `cancelled` is given, and says what it has to say to `reporter`.
    #[must_use]
    pub fn new(
        job: JobId,
        attempt: i32,
        stream: bool,
        cancelled: CancellationToken,
        reporter: Reporter,
    ) -> Self {
        Self {
            job,
            attempt,
            stream,
            cancelled,
            reporter,
        }
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

    /// Whether somebody has asked for the job to end. It has half a second from then, and is dropped where it next
    /// waits for something.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits until somebody asks for the job to end.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}
