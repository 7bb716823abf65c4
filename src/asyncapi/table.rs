//! What the types of the wire do not say about their messages: titles, examples, and which answers which.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::{JobId, SessionId};
use crate::wire::{
    AckPayload, CancelPayload, ClientMessage, ErrorItem, Frame, JobsPayload, JobsQueuedPayload,
    MessageId, PendingJob, ProgressPayload, ResumePayload, ResumedPayload, ServerMessage,
    TaskPayload, cancelled_message, cancelling_message, chunk_message, failed_message, parse,
    progress_message, queued_text, result_message,
};

/// Whether `answer` can be the direct answer to `question`.
pub(super) fn is_answered_by(question: &ClientMessage, answer: &ServerMessage) -> bool {
    match question {
        ClientMessage::Ping => matches!(answer, ServerMessage::Pong(()) | ServerMessage::Error(_)),
        ClientMessage::SystemMessage(_) => {
            matches!(
                answer,
                ServerMessage::JobQueued(_) | ServerMessage::Error(_)
            )
        }
        ClientMessage::SubmitJobs(_) => matches!(
            answer,
            ServerMessage::JobsQueued(_) | ServerMessage::Error(_)
        ),
        ClientMessage::CancelJob(_) => matches!(
            answer,
            ServerMessage::JobCancelling(_) | ServerMessage::Error(_)
        ),
        ClientMessage::Resume(_) => {
            matches!(answer, ServerMessage::Resumed(_) | ServerMessage::Error(_))
        }
        ClientMessage::Ack(_) => matches!(answer, ServerMessage::Error(_)),
    }
}

/// Whether a message can come without being the answer to one.
pub(super) fn comes_unasked(message: &ServerMessage) -> bool {
    match message {
        ServerMessage::Pong(())
        | ServerMessage::JobQueued(_)
        | ServerMessage::JobsQueued(_)
        | ServerMessage::JobCancelling(_)
        | ServerMessage::Resumed(_) => false,
        // An error comes unasked for a frame that is no message at all.
        ServerMessage::JobResult(_)
        | ServerMessage::JobFailed(_)
        | ServerMessage::JobCancelled(_)
        | ServerMessage::JobProgress(_)
        | ServerMessage::JobChunk(_)
        | ServerMessage::SystemNotification(_)
        | ServerMessage::Error(_) => true,
    }
}

/// One message of the contract.
pub(super) struct Row<M> {
    /// Any message of this kind.
    pub(super) message: M,
    /// The name of its schema, and of its class in a generated client.
    pub(super) title: &'static str,
    /// The fields that can stand beside its payload.
    pub(super) beside: &'static [&'static str],
    /// What it looks like, in the form of the document.
    pub(super) examples: Vec<Value>,
}

/// Every message that a client can send.
pub(super) fn from_clients() -> Vec<Row<ClientMessage>> {
    let ping = ClientMessage::Ping;
    let plain = || TaskPayload {
        task_type: TASK_TYPE.to_owned(),
        content: CONTENT.to_owned(),
        ..TaskPayload::default()
    };
    let submission = ClientMessage::SystemMessage(plain());
    let keyed = ClientMessage::SystemMessage(TaskPayload {
        idempotency_key: Some(KEY.to_owned()),
        ..plain()
    });
    let later = ClientMessage::SystemMessage(TaskPayload {
        delay: Some(90.0),
        priority: Some(10),
        max_attempts: Some(3),
        concurrency_key: Some("customer-42".to_owned()),
        stream: Some(true),
        ..plain()
    });
    let at_a_time = ClientMessage::SystemMessage(TaskPayload {
        run_at: Some(Timestamp::UNIX_EPOCH + Duration::from_secs(1_893_456_000)),
        ..plain()
    });
    let many = ClientMessage::SubmitJobs(JobsPayload {
        jobs: vec![plain(), plain()],
    });
    let cancel = ClientMessage::CancelJob(CancelPayload { job_id: JOB });
    let resume = ClientMessage::Resume(Some(ResumePayload {
        session: SESSION.0.to_string(),
        token: TOKEN.to_owned(),
        have: Some([(JOB.to_string(), (1, 7))].into()),
    }));
    let ack = ClientMessage::Ack(AckPayload {
        ids: [MessageId::Outcome(JOB), MessageId::Notice(12)]
            .map(|id| id.to_string())
            .to_vec(),
    });
    vec![
        Row {
            title: "PingMessage",
            beside: &["ref"],
            examples: vec![
                example("A ping", &ping),
                example(
                    "With what is absent as null",
                    &json!({ "action": action(&ping), "payload": null, "ref": null }),
                ),
            ],
            message: ping,
        },
        Row {
            title: "SystemMessage",
            beside: &["ref"],
            examples: vec![
                example("A job", &submission),
                example("A job that may be submitted again", &keyed),
                example("A job for later, with all its options", &later),
                example("A job for a time", &at_a_time),
                example("With a mark", &marked(&submission)),
            ],
            message: submission,
        },
        Row {
            title: "SubmitJobsMessage",
            beside: &["ref"],
            examples: vec![example("Two jobs", &many)],
            message: many,
        },
        Row {
            title: "CancelMessage",
            beside: &["ref"],
            examples: vec![example("A job that is no longer wanted", &cancel)],
            message: cancel,
        },
        Row {
            title: "ResumeMessage",
            beside: &["ref"],
            examples: vec![
                example("A new session", &ClientMessage::Resume(None)),
                example("The session of an earlier socket", &resume),
            ],
            message: resume,
        },
        Row {
            title: "AckMessage",
            beside: &["ref"],
            examples: vec![example("A result and a notice have arrived", &ack)],
            message: ack,
        },
    ]
}

/// Every message that the server can send.
pub(super) fn from_the_server() -> Vec<Row<ServerMessage>> {
    let mark = || Some(MARK.to_owned());
    let queued = ServerMessage::JobQueued(queued_text(TASK_TYPE, CONTENT, JOB));
    let text = format!("🌍 Translated: '{CONTENT}' → 'hola'");
    let count = json!({ "words": 2, "vowels": 3 });
    let failure = "The task failed: the dictionary cannot be opened";
    let resumed = ServerMessage::Resumed(ResumedPayload {
        session: SESSION,
        token: TOKEN.to_owned(),
        recovered: true,
        pending: vec![PendingJob {
            job_id: JOB,
            state: "running".to_owned(),
            progress: None,
        }],
    });
    let progress = progress_message(
        JOB,
        1,
        ProgressPayload {
            percent: Some(50.0),
            note: Some("5 of 10 pages".to_owned()),
        },
    );
    let chunk = chunk_message(JOB, 1, 8, "looking great ".to_owned());
    let many = ServerMessage::JobsQueued(JobsQueuedPayload {
        job_ids: vec![JOB, OTHER_JOB],
    });
    let unknown = parse(r#"{"action":"fly"}"#)
        .message
        .expect_err("there is no action called fly");
    vec![
        Row {
            title: "PongMessage",
            beside: &["ref"],
            examples: vec![
                example("A pong", &Frame::new(ServerMessage::Pong(()))),
                example(
                    "To a ping with a mark",
                    &Frame::answering(ServerMessage::Pong(()), mark()),
                ),
            ],
            message: ServerMessage::Pong(()),
        },
        Row {
            title: "JobQueued",
            beside: &["ref", "job_id"],
            examples: vec![example(
                "The answer to a job with a mark",
                &Frame {
                    reference: mark(),
                    ..Frame::about(JOB, queued.clone())
                },
            )],
            message: queued,
        },
        Row {
            title: "JobsQueued",
            beside: &["ref"],
            examples: vec![example("The answer to two jobs", &Frame::new(many.clone()))],
            message: many,
        },
        Row {
            title: "JobResult",
            beside: &["id", "job_id", "job"],
            examples: vec![
                example("A text", &result_message(JOB, text.clone().into(), 1)),
                example("More than a text", &result_message(JOB, count, 1)),
            ],
            message: ServerMessage::JobResult(text),
        },
        Row {
            title: "JobFailed",
            beside: &["id", "job_id", "job"],
            examples: vec![example(
                "A failure",
                &failed_message(JOB, "task_failed".to_owned(), failure.to_owned(), 3),
            )],
            message: ServerMessage::JobFailed(failure.to_owned()),
        },
        Row {
            title: "JobCancelling",
            beside: &["ref", "job_id"],
            examples: vec![example(
                "The answer to a wish to cancel",
                &Frame::about(JOB, cancelling_message(JOB)),
            )],
            message: cancelling_message(JOB),
        },
        Row {
            title: "JobCancelled",
            beside: &["id", "job_id", "job"],
            examples: vec![example(
                "A job that was cancelled",
                &cancelled_message(JOB, 1),
            )],
            message: cancelled_message(JOB, 1).message,
        },
        Row {
            title: "JobProgress",
            beside: &["job_id", "job"],
            examples: vec![example("Half way", &progress)],
            message: progress.message.clone(),
        },
        Row {
            title: "JobChunk",
            beside: &["job_id", "job"],
            examples: vec![example("The eighth piece", &chunk)],
            message: chunk.message.clone(),
        },
        Row {
            title: "SystemNotification",
            beside: &["id"],
            examples: vec![example("A notice", &Frame::notice(12, NOTICE.to_owned()))],
            message: ServerMessage::SystemNotification(NOTICE.to_owned()),
        },
        Row {
            title: "ResumedMessage",
            beside: &["ref"],
            examples: vec![example("An earlier session", &Frame::new(resumed.clone()))],
            message: resumed,
        },
        Row {
            title: "ErrorMessage",
            beside: &["ref"],
            examples: vec![
                example(
                    "An unknown action",
                    &Frame::new(ServerMessage::Error(unknown.clone())),
                ),
                example(
                    "The database is away",
                    &Frame::answering(
                        ServerMessage::Error(vec![ErrorItem::unavailable(true)]),
                        mark(),
                    ),
                ),
            ],
            message: ServerMessage::Error(unknown),
        },
    ]
}

const TASK_TYPE: &str = "translate";
const CONTENT: &str = "hello";
const MARK: &str = "7";
const NOTICE: &str = "The server restarts at noon.";
const TOKEN: &str = "the secret that only this client has";
const SESSION: SessionId = SessionId(Uuid::from_u128(0x6a0f_4f0e_52c1_4d0c_9a35_8f1b_7d2e_90c3));
const KEY: &str = "0b7e6c1e-8f0f-4a8c-9c56-3a0f2f1d7f55";
const OTHER_JOB: JobId = JobId(Uuid::from_u128(0x0197_6f2c_8a40_7b3e_9d51_2f8c_6a7e_40b2));
const JOB: JobId = JobId(Uuid::from_u128(0x0197_6f2c_8a40_7b3e_9d51_2f8c_6a7e_40b1));

fn example(summary: &str, frame: &impl Serialize) -> Value {
    json!({ "summary": summary, "payload": frame })
}

/// A client's message with a mark beside it.
fn marked(message: &ClientMessage) -> Value {
    let mut frame = json!(message);
    frame["ref"] = json!(MARK);
    frame
}

/// The name of a message on the wire.
pub(super) fn action(message: &impl Serialize) -> String {
    let frame = serde_json::to_value(message)
        .expect("a message is strings, numbers and JSON values, which all encode");
    frame["action"]
        .as_str()
        .expect("every message carries its action")
        .to_owned()
}
