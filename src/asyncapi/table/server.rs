//! What the server can send.

use serde_json::json;

use super::{CONTENT, JOB, MARK, NOTICE, OTHER_JOB, Row, SESSION, TASK_TYPE, TOKEN, example};
use crate::wire::{
    ErrorItem, Frame, JobsQueuedPayload, PendingJob, ProgressPayload, ResumedPayload,
    ServerMessage, cancelled_message, cancelling_message, chunk_message, failed_message, parse,
    progress_message, queued_text, result_message,
};

/// Every message that the server can send.
pub(in crate::asyncapi) fn from_the_server() -> Vec<Row<ServerMessage>> {
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
