//! What HTTP asks and answers beside jobs themselves.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attempt, Job, JobState, MessageId};
use crate::ids::JobId;

/// A job that is stored, or asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JobLink {
    /// Its id.
    pub job_id: JobId,
    /// Where to look at it.
    pub href: String,
}

/// Some of the jobs that were asked for, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The `cursor` of the next page, where there may be more.
    pub next: Option<String>,
}

/// The ids of some of the jobs that were asked for, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IdPage {
    /// The ids.
    pub ids: Vec<JobId>,
    /// The `cursor` of the next page, where there may be more.
    pub next: Option<String>,
}

/// Jobs that are to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CancelJobs {
    /// Their ids.
    pub ids: Vec<JobId>,
    /// Only those of them that are still in one of these states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<Vec<JobState>>,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CancelledJobs {
    /// How many had not begun, and are cancelled.
    pub cancelled: usize,
    /// How many run, and are asked to end.
    pub cancelling: usize,
    /// How many are over, or are not there.
    pub unchanged: usize,
}

/// Jobs that are to have another chance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryJobs {
    /// Their ids.
    pub ids: Vec<JobId>,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RetriedJobs {
    /// How many had failed or were cancelled, and are submitted again.
    pub submitted: usize,
    /// How many were waiting, and do so no longer than they must.
    pub due: usize,
    /// How many run, have succeeded, were submitted again before, or are not there.
    pub unchanged: usize,
}

/// Some pieces of what a job has said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChunkList {
    /// By their attempts, in their order.
    pub chunks: Vec<Chunk>,
    /// After which piece to go on, where there may be more.
    pub next: Option<String>,
}

/// A piece of what a job has said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chunk {
    /// The attempt that said it.
    pub attempt: i32,
    /// Its number there, from 1.
    pub seq: i32,
    /// The text.
    pub text: String,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// The attempts of a job.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AttemptList {
    /// Those that have ended, in their order.
    pub attempts: Vec<Attempt>,
}

/// A notice to everyone who is connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewNotice {
    /// What to say.
    pub content: String,
    /// For how many seconds it is kept for sessions that come back: an hour (a setting), if this does not say; at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315_360_000))]
    pub ttl: Option<f64>,
}

/// A notice that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SentNotice {
    /// Its id, as it is on the socket.
    pub id: MessageId,
    /// How many gateways are alive, and hear of it.
    pub gateways: i64,
}

/// A queue, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether it is paused: none of its jobs is claimed.
    pub paused: bool,
    /// Jobs that may start.
    pub ready: i64,
    /// Jobs that start later.
    pub scheduled: i64,
    /// Jobs over a limit.
    pub held: i64,
    /// Jobs that run.
    pub running: i64,
}

/// All queues that have live jobs, are paused, or belong to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueList {
    /// By their names.
    pub queues: Vec<Queue>,
}

/// A queue that was paused or goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Whether it is paused.
    pub paused: bool,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// When this was so, by the database's clock.
    pub at: Timestamp,
    /// Live jobs.
    pub live: LiveJobs,
    /// The jobs that were submitted in the last hour and have ended, by their tasks.
    pub tasks: Vec<TaskStats>,
    /// How many workers are alive.
    pub workers: i64,
    /// How many gateways are.
    pub gateways: i64,
}

/// How many live jobs are in which state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveJobs {
    /// They start later.
    pub scheduled: i64,
    /// They are over a limit.
    pub held: i64,
    /// They may start.
    pub ready: i64,
    /// They run.
    pub running: i64,
    /// They wait for a callback.
    pub waiting: i64,
    /// For how many seconds the one that waits longest has been ready.
    pub oldest_wait: Option<f64>,
}

/// How the jobs of a task went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStats {
    /// The task.
    pub task: String,
    /// How many have ended.
    pub finished: i64,
    /// How many of them have failed.
    pub failed: i64,
    /// How long they waited, in seconds: half of them less than this,
    pub waited_p50: Option<f64>,
    /// and 95 of a hundred less than this.
    pub waited_p95: Option<f64>,
    /// How long they ran, in seconds: half of them less than this,
    pub ran_p50: Option<f64>,
    /// and 95 of a hundred less than this.
    pub ran_p95: Option<f64>,
}
