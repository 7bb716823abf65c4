//! Every message that crosses the socket, and every error.
//!
//! The types are the contract: `asyncapi` derives its document from them, and their comments are its descriptions.
//! What a client may send is read in [`parse()`], by hand, because its errors have the words of the protocol's origin.

mod access;
mod api;
mod callback;
mod close;
mod error;
mod frame;
mod job;
mod message_id;
mod overview;
mod parse;
mod problem;
mod tasks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{JobId, SessionId};
use crate::telemetry::Traceparent;

pub use access::{AuthenticatePayload, AuthenticatedPayload, Me, Ticket};
pub use api::{
    AttemptList, CancelJobs, CancelledJobs, Chunk, ChunkList, IdPage, JobLink, JobPage, LiveJobs,
    NewNotice, Queue, QueueList, QueueState, RetriedJobs, RetryJobs, SentNotice, Stats, TaskStats,
};
pub use callback::CallBackBody;
pub use close::Close;
pub use error::{ErrorItem, ErrorType};
pub use frame::{
    Frame, JobFacts, cancelled_message, cancelling_message, chunk_message, failed_message,
    progress_message, queued_text, result_message,
};
pub use job::{Attempt, Job, JobState};
pub use message_id::MessageId;
pub use overview::{Circuit, Gateway, Overview, RunningJob, Sample, SampleList, Worker};
pub use parse::{
    Request, Wrong, in_range, parse, parse_call_back, parse_cancel, parse_jobs, parse_notice,
    parse_retry, parse_task, reference_of,
};
pub use problem::Problem;
pub use tasks::{TaskInfo, TaskList};

/// What is said to who sends too many messages.
pub const TOO_FAST: &str = "Too many messages in a second; send more slowly";

/// The path of the one socket.
pub const SOCKET_PATH: &str = "/ws/system/";

/// The group that every connection is in.
pub const SYSTEM_GROUP: &str = "system";

/// The longest `ref`, in bytes.
pub const REF_LIMIT: usize = 64;

/// The longest `delay`, and the longest time until `run_at`.
pub const DELAY_LIMIT: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How many jobs may be submitted together.
pub const BULK_LIMIT: usize = 500;

/// For how many jobs a `resume` may say what the client has.
pub const HAVE_LIMIT: usize = 1_000;

/// The most `max_attempts`.
pub const ATTEMPTS_LIMIT: i32 = 1_000;

/// How many ids one `ack` may have.
pub const ACK_LIMIT: usize = 1_000;

/// The longest that an HTTP request may wait for a job.
pub const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// The longest `idempotency_key` or `concurrency_key`, in bytes.
pub const KEY_LIMIT: usize = 255;

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "action", content = "payload", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Asks for a `pong`.
    Ping,
    /// Submits a job.
    SystemMessage(TaskPayload),
    /// Submits many jobs, all or none.
    SubmitJobs(JobsPayload),
    /// Asks for the end of a job that is this client's.
    CancelJob(CancelPayload),
    /// Gives a job that is this client's another chance: one that waits for its time is due now, one that has failed or
    /// was cancelled is submitted again.
    RetryJob(RetryPayload),
    /// Begins a session, or, with the secret of an earlier one, goes on with that.
    Resume(Option<ResumePayload>),
    /// Says that messages have arrived, so that they are not sent again to this session.
    Ack(AckPayload),
    /// Gives a fresh ticket before the token of this socket ends, so that the socket stays.
    Authenticate(AuthenticatePayload),
}

/// What to run, many times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobsPayload {
    /// The jobs, from 1 to 500.
    pub jobs: Vec<TaskPayload>,
}

/// The job to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CancelPayload {
    /// Its id.
    pub job_id: JobId,
}

/// The job to retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryPayload {
    /// Its id.
    pub job_id: JobId,
}

/// The session to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResumePayload {
    /// Its id.
    pub session: String,
    /// Its secret.
    pub token: String,
    /// For jobs whose text comes piece by piece: the attempt and the number of the last piece that the client has. At
    /// most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<BTreeMap<String, (i32, i32)>>,
}

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AckPayload {
    /// The ids of messages, at most 1000.
    pub ids: Vec<String>,
}

/// What to run, and on what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPayload {
    /// The name of the task. A name that is not known runs the task called default, where there is one.
    pub task_type: String,
    /// The text to work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What to work on, instead of a text: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "InputValue")]
    pub input: Option<Value>,
    /// A name of the client's choice for this submission, such as a random UUID, up to 255 bytes. Whoever submits the
    /// same again with the same name, also later and elsewhere, is given the same job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// It starts at the earliest so many seconds after it is stored, at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315_360_000))]
    pub delay: Option<f64>,
    /// Instead of a delay: the time before which it does not start, as RFC 3339 has it. A time that has passed is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// Each step is worth a minute of waiting, so that what waits long overtakes what is merely important.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
    /// How often it may fail, where that is not as often as its task says; from 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: Option<i32>,
    /// Jobs of one task with the same key share the limits that the task has for each key; up to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// Whether to hear of the job while it runs: its progress, and its text piece by piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// The trace that the job is a part of, as W3C Trace Context has it: it is continued, and passed on to whatever the
    /// task calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = Traceparent::PATTERN))]
    pub traceparent: Option<Traceparent>,
}

impl TaskPayload {
    /// What the task works on.
    #[must_use]
    pub fn to_input(&self) -> Value {
        match (&self.content, &self.input) {
            (Some(content), _) => Value::String(content.clone()),
            (None, Some(input)) => input.clone(),
            (None, None) => Value::String(String::new()),
        }
    }

    /// The same as text, as people read it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match (&self.content, &self.input) {
            (Some(content), _) => Cow::Borrowed(content),
            (None, Some(input)) => Cow::Owned(input.to_string()),
            (None, None) => Cow::Borrowed(""),
        }
    }
}

/// A message to a client.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "action", content = "payload", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answers a `ping`.
    Pong(()),
    /// The job is committed: it will run, whatever dies.
    JobQueued(String),
    /// All of the jobs are committed.
    JobsQueued(JobsQueuedPayload),
    /// The job succeeded; this is its result as text.
    JobResult(String),
    /// The job has failed for good; this is a sentence that says why.
    JobFailed(String),
    /// The job is not over, and will be soon: cancelled, or with a result if that was faster.
    JobCancelling(String),
    /// The job was cancelled.
    JobCancelled(String),
    /// How far the job is; the latest counts.
    JobProgress(ProgressPayload),
    /// The next piece of the job's text, to be added to those before it; a higher attempt starts the text again.
    JobChunk(String),
    /// A notice to everyone.
    SystemNotification(String),
    /// The session of this socket. What it has missed follows.
    Resumed(ResumedPayload),
    /// The ticket is taken: the socket may stay until its token ends.
    Authenticated(AuthenticatedPayload),
    /// What was wrong with a message. The socket stays open.
    Error(Vec<ErrorItem>),
}

/// Jobs that were submitted together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct JobsQueuedPayload {
    /// Their ids, in the order of their submission.
    pub job_ids: Vec<JobId>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressPayload {
    /// From 0 to 100, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// What it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A session, and what it still waits for.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ResumedPayload {
    /// Its id.
    pub session: SessionId,
    /// Its secret: whoever has it is this client.
    pub token: String,
    /// Whether it is the session that was asked for; otherwise it is a new one.
    pub recovered: bool,
    /// Its jobs that are not over.
    pub pending: Vec<PendingJob>,
}

/// A job that is not over.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PendingJob {
    /// The job.
    pub job_id: JobId,
    /// One of scheduled, held, ready, running, waiting.
    pub state: String,
    /// What it last said of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "ProgressValue")]
    pub progress: Option<Value>,
}
