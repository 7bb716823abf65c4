//! A job as it is told of: the same for everyone who asks, wherever they ask.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ConnectionId, JobId, SessionId, WorkerId};

/// A job: what was asked for, where it is, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What runs it.
    pub task: String,
    /// The name it was asked by.
    pub task_type: String,
    /// Where it waits, or waited.
    pub queue: String,
    /// What it works on.
    pub input: Value,
    /// Where it is in its life.
    pub state: JobState,
    /// What it gave, if it succeeded.
    #[schemars(title = "ResultValue")]
    pub result: Option<Value>,
    /// A stable code of why it did not.
    pub error_code: Option<String>,
    /// A sentence about it.
    pub error: Option<String>,
    /// What it last said of itself, while it runs.
    #[schemars(title = "ProgressValue")]
    pub progress: Option<Value>,
    /// How many attempts were started.
    pub attempts: i32,
    /// How often it may fail.
    pub max_attempts: i32,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// When it was submitted.
    pub queued_at: Timestamp,
    /// The time before which it does not start.
    pub run_at: Timestamp,
    /// When its last attempt started.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Whether it runs and has been asked to end.
    pub is_cancelling: bool,
    /// Whose it is.
    pub owner: String,
    /// The socket that asked for it.
    pub connection_id: Option<ConnectionId>,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// The worker of its last attempt.
    pub worker_id: Option<WorkerId>,
    /// What it shares the limits for each key of its task by.
    pub concurrency_key: Option<String>,
    /// The job that this one is another chance of.
    pub retry_of: Option<JobId>,
    /// The job that is another chance of this one.
    pub retried_as: Option<JobId>,
}

/// An attempt of a job that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: i32,
    /// `succeeded`, `failed`, `cancelled`, `crashed` (its worker was lost) or `returned` (its worker was stopping).
    pub outcome: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// A stable code of why it did not succeed.
    pub error_code: Option<String>,
    /// A sentence about it.
    pub error: Option<String>,
    /// Where it ran.
    pub worker_id: Option<WorkerId>,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It starts later.
    Scheduled,
    /// It is over a limit.
    Held,
    /// It may start.
    Ready,
    /// It runs.
    Running,
    /// It waits for a callback.
    Waiting,
    /// It has a result.
    Succeeded,
    /// It has failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Held,
        Self::Ready,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// What it is called, also in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more happens to the job.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Scheduled | Self::Held | Self::Ready | Self::Running | Self::Waiting => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name() {
        for state in JobState::ALL {
            assert_eq!(JobState::named(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert_eq!(JobState::named("gone"), None);
    }
}
