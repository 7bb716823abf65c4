//! What can be wrong with a message, in the words of the protocol's origin.

mod access;
mod code;

use schemars::JsonSchema;
use serde::Serialize;

use super::JobState;

pub use code::ErrorType;

/// One thing that is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorItem {
    /// A stable code.
    #[serde(rename = "type")]
    pub kind: ErrorType,
    /// The way to the place, from the outside in; empty for the message itself.
    pub loc: Vec<String>,
    /// A sentence for people.
    pub msg: String,
    /// When it is worth trying again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// True when it cannot be known whether the submission was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maybe: Option<bool>,
}

impl ErrorItem {
    /// An error at a place.
    #[must_use]
    pub fn new(kind: ErrorType, loc: &[&str], msg: impl Into<String>) -> Self {
        let loc = loc.iter().map(|&part| part.to_owned()).collect();
        Self {
            kind,
            loc,
            msg: msg.into(),
            retry_after: None,
            maybe: None,
        }
    }

    /// The same about one of the jobs of a `submit_jobs`.
    #[must_use]
    pub fn of_job(self, number: usize) -> Self {
        let job = ["submit_jobs", "payload", "jobs", &number.to_string()];
        self.moved(&["system_message", "payload"], &job)
    }

    /// The same at another place: what was under `from` is under `to`.
    #[must_use]
    pub fn moved(mut self, from: &[&str], to: &[&str]) -> Self {
        if self.loc.len() >= from.len() && self.loc.iter().zip(from).all(|(is, was)| is == was) {
            let to = to.iter().map(|&part| part.to_owned());
            self.loc.splice(..from.len(), to);
        }
        self
    }

    /// The frame is not JSON text; `reason` is the parser's.
    #[must_use]
    pub fn json_invalid(reason: &str) -> Self {
        Self::new(
            ErrorType::JsonInvalid,
            &[],
            format!("Invalid JSON: {reason}"),
        )
    }

    /// The frame is `size` bytes, over `limit`.
    #[must_use]
    pub fn frame_too_large(size: usize, limit: usize) -> Self {
        Self::new(
            ErrorType::TooLarge,
            &[],
            format!("The frame has {size} bytes; at most {limit} are allowed"),
        )
    }

    /// The content of a job is `size` bytes, over `limit`.
    #[must_use]
    pub fn content_too_large(field: &str, size: usize, limit: usize) -> Self {
        Self::new(
            ErrorType::TooLarge,
            &["system_message", "payload", field],
            format!("It has {size} bytes; at most {limit} are allowed"),
        )
    }

    /// Too much is waiting.
    #[must_use]
    pub fn busy() -> Self {
        let msg = "Too many jobs are waiting; try again";
        Self {
            retry_after: Some(1),
            ..Self::new(ErrorType::Busy, &[], msg)
        }
    }

    /// The database cannot be reached, or has no room; `maybe` when the submission may have been stored all the same.
    #[must_use]
    pub fn unavailable(maybe: bool) -> Self {
        let msg = if maybe {
            "The database cannot be reached, or has no room; the job may or may not have been stored"
        } else {
            "The database cannot be reached, or has no room; the job was not stored, try again"
        };
        Self {
            retry_after: Some(5),
            maybe: maybe.then_some(true),
            ..Self::new(ErrorType::Unavailable, &[], msg)
        }
    }

    /// The database refused the job.
    #[must_use]
    pub fn unstorable() -> Self {
        Self::new(
            ErrorType::Unstorable,
            &["system_message", "payload"],
            "The database refused this job; it was not stored",
        )
    }

    /// The database cannot be reached, and with it no session.
    #[must_use]
    pub fn no_session() -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(
                ErrorType::Unavailable,
                &["resume"],
                "The database cannot be reached, or has no room; try again to resume",
            )
        }
    }

    /// The session has as many jobs unfinished or unacknowledged as it may have.
    #[must_use]
    pub fn mailbox_full(limit: usize) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                ErrorType::Busy,
                &[],
                format!(
                    "This session has {limit} jobs that are not over or not acknowledged; acknowledge some"
                ),
            )
        }
    }

    /// The idempotency key belongs to another request.
    #[must_use]
    pub fn key_conflict() -> Self {
        Self::new(
            ErrorType::Conflict,
            &["system_message", "payload", "idempotency_key"],
            "This key was used before, for another request",
        )
    }

    /// There is no such job, or it is another's: what `action` was to be about.
    #[must_use]
    pub fn job_not_found(action: &str) -> Self {
        let msg = "There is no such job, or it is not yours";
        Self::new(ErrorType::NotFound, &[action, "payload", "job_id"], msg)
    }

    /// The job is over, in this state, and cannot be cancelled.
    #[must_use]
    pub fn job_over(state: JobState) -> Self {
        let state = state.name();
        let msg = format!("The job is over ({state}); it cannot be cancelled");
        Self::new(
            ErrorType::Conflict,
            &["cancel_job", "payload", "job_id"],
            msg,
        )
    }

    /// The job runs, or has succeeded: there is nothing to retry.
    #[must_use]
    pub fn job_not_to_retry(state: JobState) -> Self {
        let state = state.name();
        let msg = format!(
            "The job is not one to retry ({state}); those that wait, have failed or were cancelled are"
        );
        Self::new(
            ErrorType::Conflict,
            &["retry_job", "payload", "job_id"],
            msg,
        )
    }

    /// The database cannot be reached, or has no room; the job may have been retried, or not.
    #[must_use]
    pub fn not_retried() -> Self {
        let msg = "The database cannot be reached, or has no room; try again to retry";
        Self {
            retry_after: Some(5),
            ..Self::new(ErrorType::Unavailable, &["retry_job"], msg)
        }
    }

    /// The database cannot be reached, or has no room; the job may have been asked to end, or not.
    #[must_use]
    pub fn not_cancelled() -> Self {
        let msg = "The database cannot be reached, or has no room; try again to cancel";
        Self {
            retry_after: Some(5),
            ..Self::new(ErrorType::Unavailable, &["cancel_job"], msg)
        }
    }

    /// The idempotency key is in somebody's transaction that is under way.
    #[must_use]
    pub fn key_locked() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                ErrorType::Busy,
                &["system_message", "payload", "idempotency_key"],
                "Another submission with this key is under way; try again",
            )
        }
    }

    /// Somebody's transaction that is under way holds what this is about.
    #[must_use]
    pub fn locked() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                ErrorType::Busy,
                &[],
                "Somebody's transaction under way holds what this is about; try again",
            )
        }
    }

    /// The database cannot be reached, or has no room; nothing was changed that anybody was told of.
    #[must_use]
    pub fn away() -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(
                ErrorType::Unavailable,
                &[],
                "The database cannot be reached, or has no room; try again",
            )
        }
    }

    /// No such task.
    #[must_use]
    pub fn task_unknown(task_type: &str) -> Self {
        let loc = ["system_message", "payload", "task_type"];
        Self::new(
            ErrorType::TaskUnknown,
            &loc,
            format!("No task is called '{task_type}'"),
        )
    }
}
