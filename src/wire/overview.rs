//! How the whole system is: what an operator looks at.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LiveJobs, Queue};
use crate::ids::{GatewayId, JobId, WorkerId};

/// How the whole system is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// When this was so, by the database's clock.
    pub at: Timestamp,
    /// Live jobs.
    pub live: LiveJobs,
    /// What the fleet can run.
    pub tasks: Vec<String>,
    /// All queues that have live jobs, are paused, or belong to a task, by their names.
    pub queues: Vec<Queue>,
    /// The workers that were heard of in the last minute, the oldest first.
    pub workers: Vec<Worker>,
    /// The gateways that were, the oldest first.
    pub gateways: Vec<Gateway>,
    /// How the last seconds went, where somebody has looked.
    pub sample: Option<Sample>,
    /// In a stream, after how many seconds the next one comes: later where there is so much that reading takes long.
    pub next_in: Option<f64>,
}

/// A worker, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: i32,
    /// The version of its program.
    pub version: String,
    /// The queues that it takes jobs from.
    pub queues: Vec<String>,
    /// How many jobs it runs at once, at most.
    pub concurrency: i32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub beat_at: Timestamp,
    /// How many jobs it runs.
    pub running: i64,
    /// Those of them that it has run longest: five at most.
    pub jobs: Vec<RunningJob>,
    /// Those of its tasks that are paused, since the functions do not answer.
    pub circuits: Vec<Circuit>,
}

/// A task that a worker has paused, since its function does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Circuit {
    /// The task.
    pub task: String,
    /// How many calls have failed in a row.
    pub failures: u32,
    /// When one of its jobs is tried again.
    pub until: Timestamp,
}

/// A job that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningJob {
    /// Its id.
    pub id: JobId,
    /// Its task.
    pub task: String,
    /// Since when.
    pub started_at: Timestamp,
}

/// A gateway, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gateway {
    /// Its id.
    pub id: GatewayId,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: i32,
    /// The version of its program.
    pub version: String,
    /// The address that it serves.
    pub listen: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub beat_at: Timestamp,
    /// How many sockets it had then.
    pub sockets: i32,
    /// How many sessions it has.
    pub sessions: i64,
}

/// How things were during a few seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Their end.
    pub at: Timestamp,
    /// How many they are.
    pub seconds: f64,
    /// Jobs that start later, at their end.
    pub scheduled: i64,
    /// Jobs over a limit.
    pub held: i64,
    /// Jobs that may start.
    pub ready: i64,
    /// Jobs that run.
    pub running: i64,
    /// Jobs that wait for a callback.
    pub waiting: i64,
    /// Jobs that ended meanwhile, and succeeded,
    pub succeeded: i64,
    /// that failed,
    pub failed: i64,
    /// and that were cancelled.
    pub cancelled: i64,
    /// How long those of them that were started had waited, in seconds: half of them less than this,
    pub waited_p50: Option<f64>,
    /// 95 of a hundred less than this,
    pub waited_p95: Option<f64>,
    /// and 99 of a hundred less than this.
    pub waited_p99: Option<f64>,
    /// How long they ran, in seconds: half of them less than this,
    pub ran_p50: Option<f64>,
    /// 95 of a hundred less than this,
    pub ran_p95: Option<f64>,
    /// and 99 of a hundred less than this.
    pub ran_p99: Option<f64>,
}

/// How things were over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleList {
    /// How many seconds one of them is about, at most.
    pub step: u64,
    /// The oldest first. A time without any is one in which nobody looked.
    pub samples: Vec<Sample>,
}
