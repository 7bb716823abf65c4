//! What a running task knows about its job, and can say about it.

use tokio_util::sync::CancellationToken;

use crate::ids::JobId;

/// What a running task knows about its job.
#[derive(Clone, Debug)]
pub struct Context {
    /// The job.
    pub job: JobId,
    /// Which start of it this is, from 1.
    pub attempt: i32,
    cancelled: CancellationToken,
}

impl Context {
    /// Of this start of a job, which ends early when `cancelled` is given.
    #[must_use]
    pub fn new(job: JobId, attempt: i32, cancelled: CancellationToken) -> Self {
        Self {
            job,
            attempt,
            cancelled,
        }
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
