//! A message to a client with what stands beside its payload, and how the messages about jobs are worded.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{MessageId, ProgressPayload, ServerMessage};
use crate::ids::JobId;

/// Structured facts about a job, beside the text that people read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct JobFacts {
    /// A stable code that says why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How many attempts were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
    /// Which attempt says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// The number of the piece, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i32>,
    /// The result itself, where it is more than a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "ResultValue")]
    pub result: Option<Value>,
}

/// A message to a client with what stands beside its payload.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Frame {
    /// The message.
    #[serde(flatten)]
    pub message: ServerMessage,
    /// The client's own mark of the message that this answers.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The id of a message that may be sent again, to be acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// The job that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Structured facts about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobFacts>,
}

impl Frame {
    /// A message with nothing beside it.
    #[must_use]
    pub fn new(message: ServerMessage) -> Self {
        Self {
            message,
            reference: None,
            id: None,
            job_id: None,
            job: None,
        }
    }

    /// The direct answer to a message that carried `reference`.
    #[must_use]
    pub fn answering(message: ServerMessage, reference: Option<String>) -> Self {
        Self {
            reference,
            ..Self::new(message)
        }
    }

    /// A message about a job.
    #[must_use]
    pub fn about(job: JobId, message: ServerMessage) -> Self {
        Self {
            job_id: Some(job),
            ..Self::new(message)
        }
    }

    /// A notice.
    #[must_use]
    pub fn notice(number: i64, content: String) -> Self {
        Self {
            id: Some(MessageId::Notice(number)),
            ..Self::new(ServerMessage::SystemNotification(content))
        }
    }

    /// How a job has ended.
    fn outcome(job: JobId, message: ServerMessage, facts: Option<JobFacts>) -> Self {
        Self {
            id: Some(MessageId::Outcome(job)),
            job: facts,
            ..Self::about(job, message)
        }
    }

    /// The text that is sent.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self)
            .expect("a frame is strings, numbers and JSON values, which all encode")
    }
}

/// The sentence of `job_queued`.
#[must_use]
pub fn queued_text(task_type: &str, content: &str, job: JobId) -> String {
    format!("⏳ Job queued: {task_type} for '{content}' (ID: {job})")
}

/// A result as the text that people read: a string as it is, anything else as JSON.
#[must_use]
pub fn result_message(job: JobId, result: Value, attempts: i32) -> Frame {
    let (text, facts) = match result {
        Value::String(text) => (text, None),
        other => {
            let text = if other.is_null() {
                String::new()
            } else {
                other.to_string()
            };
            (
                text,
                Some(JobFacts {
                    attempts: Some(attempts),
                    result: Some(other),
                    ..JobFacts::default()
                }),
            )
        }
    };
    Frame::outcome(job, ServerMessage::JobResult(text), facts)
}

/// The next piece of a job's text.
#[must_use]
pub fn chunk_message(job: JobId, attempt: i32, seq: i32, text: String) -> Frame {
    let facts = JobFacts {
        attempt: Some(attempt),
        seq: Some(seq),
        ..JobFacts::default()
    };
    Frame {
        job: Some(facts),
        ..Frame::about(job, ServerMessage::JobChunk(text))
    }
}

/// How far a job is.
#[must_use]
pub fn progress_message(job: JobId, attempt: i32, progress: ProgressPayload) -> Frame {
    let facts = JobFacts {
        attempt: Some(attempt),
        ..JobFacts::default()
    };
    Frame {
        job: Some(facts),
        ..Frame::about(job, ServerMessage::JobProgress(progress))
    }
}

/// The answer to a wish to cancel a job that is not over.
#[must_use]
pub fn cancelling_message(job: JobId) -> ServerMessage {
    ServerMessage::JobCancelling(format!("Job {job} is being cancelled"))
}

/// What a client is told about a job that was cancelled.
#[must_use]
pub fn cancelled_message(job: JobId, attempts: i32) -> Frame {
    let facts = JobFacts {
        code: Some("cancelled".to_owned()),
        attempts: Some(attempts),
        ..JobFacts::default()
    };
    let text = format!("Job {job} was cancelled");
    Frame::outcome(job, ServerMessage::JobCancelled(text), Some(facts))
}

/// What a client is told about a job that has failed for good.
#[must_use]
pub fn failed_message(job: JobId, code: String, sentence: String, attempts: i32) -> Frame {
    let facts = JobFacts {
        code: Some(code),
        attempts: Some(attempts),
        ..JobFacts::default()
    };
    Frame::outcome(job, ServerMessage::JobFailed(sentence), Some(facts))
}
