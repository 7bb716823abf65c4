//! What the server can send.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::example;
use super::failures::failed;
use super::refusals::refusals;
use super::{CONTENT, JOB, MARK, NEXT_MARK, NOTICE, OTHER_JOB, Row, SESSION, TASK_TYPE, TOKEN};
use crate::wire::{
    AuthenticatedPayload, Frame, JobState, JobsQueuedPayload, PendingJob, ProgressPayload,
    ResumedPayload, ServerMessage, cancelled_message, cancelling_message, chunk_message, parse,
    progress_message, queued_text, result_message,
};

/// Every message that the server can send.
pub(in crate::asyncapi) fn from_the_server() -> Vec<Row<ServerMessage>> {
    let queued = ServerMessage::JobQueued(queued_text(TASK_TYPE, CONTENT, JOB));
    let many = ServerMessage::JobsQueued(JobsQueuedPayload {
        job_ids: vec![JOB, OTHER_JOB],
    });
    let cancelling = cancelling_message(JOB);
    let authenticated = ServerMessage::Authenticated(AuthenticatedPayload {
        token_ends_at: Some(Timestamp::UNIX_EPOCH + Duration::from_secs(1_893_456_000)),
    });
    vec![
        Row {
            title: "PongMessage",
            beside: &["ref"],
            examples: answers("A pong", &Frame::new(ServerMessage::Pong(()))),
            message: ServerMessage::Pong(()),
        },
        Row {
            title: "JobQueued",
            beside: &["ref", "job_id"],
            examples: answers(
                "A job that is committed",
                &Frame::about(JOB, queued.clone()),
            ),
            message: queued,
        },
        Row {
            title: "JobsQueued",
            beside: &["ref"],
            examples: answers("Two jobs that are committed", &Frame::new(many.clone())),
            message: many,
        },
        Row {
            title: "JobResult",
            beside: &["id", "job_id", "job"],
            examples: results(),
            message: ServerMessage::JobResult(String::new()),
        },
        Row {
            title: "JobFailed",
            beside: &["id", "job_id", "job"],
            examples: failed(),
            message: ServerMessage::JobFailed(String::new()),
        },
        Row {
            title: "JobCancelling",
            beside: &["ref", "job_id"],
            examples: answers(
                "A job that will be over soon",
                &Frame::about(JOB, cancelling.clone()),
            ),
            message: cancelling,
        },
        Row {
            title: "JobCancelled",
            beside: &["id", "job_id", "job"],
            examples: vec![
                example(
                    "A job that was cancelled before it began",
                    &cancelled_message(JOB, 0),
                ),
                example(
                    "A job that was cancelled in its second attempt",
                    &cancelled_message(JOB, 2),
                ),
            ],
            message: cancelled_message(JOB, 0).message,
        },
        Row {
            title: "JobProgress",
            beside: &["job_id", "job"],
            examples: progresses(),
            message: ServerMessage::JobProgress(ProgressPayload::default()),
        },
        Row {
            title: "JobChunk",
            beside: &["job_id", "job"],
            examples: chunks(),
            message: ServerMessage::JobChunk(String::new()),
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
            examples: sessions(),
            message: resumed(false, Vec::new()),
        },
        Row {
            title: "AuthenticatedMessage",
            beside: &["ref"],
            examples: answers("The socket may stay", &Frame::new(authenticated.clone())),
            message: authenticated,
        },
        Row {
            title: "ErrorMessage",
            beside: &["ref"],
            examples: errors(),
            message: ServerMessage::Error(Vec::new()),
        },
    ]
}

/// An answer to a message without a mark, and to one with one.
fn answers(summary: &str, frame: &Frame) -> Vec<Value> {
    let marked = Frame {
        reference: Some(MARK.to_owned()),
        ..frame.clone()
    };
    vec![
        example(summary, frame),
        example("To a message with a mark", &marked),
    ]
}

fn results() -> Vec<Value> {
    let text = format!("🌍 Translated: '{CONTENT}' → 'hola'");
    let count = json!({ "words": 2, "vowels": 3 });
    vec![
        example("A text", &result_message(JOB, text.into(), 1)),
        example(
            "More than a text, at the second attempt",
            &result_message(JOB, count, 2),
        ),
        example("Nothing", &result_message(JOB, Value::Null, 1)),
    ]
}

fn half_way() -> ProgressPayload {
    ProgressPayload {
        percent: Some(50.0),
        note: Some("5 of 10 pages".to_owned()),
    }
}

fn progresses() -> Vec<Value> {
    let counted = ProgressPayload {
        percent: Some(12.5),
        note: None,
    };
    let said = ProgressPayload {
        percent: None,
        note: Some("waiting for the printer".to_owned()),
    };
    vec![
        example("Half way", &progress_message(JOB, 1, half_way())),
        example(
            "At the second attempt, without a note",
            &progress_message(JOB, 2, counted),
        ),
        example("A note without a number", &progress_message(JOB, 1, said)),
    ]
}

fn chunks() -> Vec<Value> {
    vec![
        example(
            "The first piece",
            &chunk_message(JOB, 1, 1, "The weather is ".to_owned()),
        ),
        example(
            "The second piece",
            &chunk_message(JOB, 1, 2, "looking great ".to_owned()),
        ),
        example(
            "The first piece of the second attempt, which starts the text again",
            &chunk_message(JOB, 2, 1, "The weather is ".to_owned()),
        ),
    ]
}

fn sessions() -> Vec<Value> {
    let pending = |job_id, state: JobState, progress| PendingJob {
        job_id,
        state: state.name().to_owned(),
        progress,
    };
    let told = |recovered, pending| Frame::new(resumed(recovered, pending));
    vec![
        example("A new session", &told(false, Vec::new())),
        example(
            "An earlier session that waits for nothing",
            &told(true, Vec::new()),
        ),
        example(
            "An earlier session with a job that runs and one that waits for its time",
            &told(
                true,
                vec![
                    pending(JOB, JobState::Running, Some(json!(half_way()))),
                    pending(OTHER_JOB, JobState::Scheduled, None),
                ],
            ),
        ),
        example(
            "To a message with a mark",
            &Frame {
                reference: Some(NEXT_MARK.to_owned()),
                ..told(false, Vec::new())
            },
        ),
    ]
}

fn resumed(recovered: bool, pending: Vec<PendingJob>) -> ServerMessage {
    ServerMessage::Resumed(ResumedPayload {
        session: SESSION,
        token: TOKEN.to_owned(),
        recovered,
        pending,
    })
}

/// First one with several entries, then one of each kind.
fn errors() -> Vec<Value> {
    let asked = json!({
        "action": "submit_jobs",
        "payload": { "jobs": [{ "task_type": TASK_TYPE }, { "content": 5, "delay": "soon" }] },
        "ref": MARK,
    });
    let request = parse(&asked.to_string());
    let wrong = request
        .message
        .expect_err("there is much wrong with these jobs");
    let answer = Frame::answering(ServerMessage::Error(wrong), request.reference);
    let mut examples = vec![example("Everything that is wrong with two jobs", &answer)];
    examples.extend(refusals());
    examples
}
