//! What clients can send.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{CONTENT, JOB, KEY, Row, SESSION, TASK_TYPE, TOKEN, action, example, marked};
use crate::wire::{
    AckPayload, CancelPayload, ClientMessage, JobsPayload, MessageId, ResumePayload, RetryPayload,
    TaskPayload,
};

/// Every message that a client can send.
pub(in crate::asyncapi) fn from_clients() -> Vec<Row<ClientMessage>> {
    let ping = ClientMessage::Ping;
    let plain = || TaskPayload {
        task_type: TASK_TYPE.to_owned(),
        content: Some(CONTENT.to_owned()),
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
    let retry = ClientMessage::RetryJob(RetryPayload { job_id: JOB });
    let structured = ClientMessage::SystemMessage(TaskPayload {
        content: None,
        input: Some(json!({ "page": 7 })),
        ..plain()
    });
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
                example("A job on any JSON", &structured),
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
            title: "RetryMessage",
            beside: &["ref"],
            examples: vec![example("A job that has failed", &retry)],
            message: retry,
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
