//! What clients can send.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    CONTENT, JOB, KEY, NEXT_MARK, OTHER_JOB, Row, SESSION, TASK_TYPE, TICKET, TOKEN, action,
    example, marked,
};
use crate::telemetry::Traceparent;
use crate::wire::{
    AckPayload, AuthenticatePayload, CancelPayload, ClientMessage, JobsPayload, MessageId,
    ResumePayload, RetryPayload, TaskPayload,
};

/// Every message that a client can send.
pub(in crate::asyncapi) fn from_clients() -> Vec<Row<ClientMessage>> {
    let ping = ClientMessage::Ping;
    let submission = submission(plain());
    let many = ClientMessage::SubmitJobs(JobsPayload {
        jobs: vec![
            plain(),
            TaskPayload {
                task_type: "analyze".to_owned(),
                idempotency_key: Some(KEY.to_owned()),
                ..plain()
            },
        ],
    });
    let cancel = ClientMessage::CancelJob(CancelPayload { job_id: JOB });
    let retry = ClientMessage::RetryJob(RetryPayload { job_id: JOB });
    let ack = ClientMessage::Ack(AckPayload {
        ids: [MessageId::Outcome(JOB), MessageId::Notice(12)]
            .map(|id| id.to_string())
            .to_vec(),
    });
    let authenticate = ClientMessage::Authenticate(AuthenticatePayload {
        ticket: TICKET.to_owned(),
    });
    vec![
        Row {
            title: "PingMessage",
            beside: &["ref"],
            examples: vec![
                example("A ping", &ping),
                example("With a mark", &marked(&ping)),
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
            examples: submissions(),
            message: submission,
        },
        Row {
            title: "SubmitJobsMessage",
            beside: &["ref"],
            examples: vec![
                example("Two jobs", &many),
                example("With a mark", &marked(&many)),
            ],
            message: many,
        },
        Row {
            title: "CancelMessage",
            beside: &["ref"],
            examples: vec![
                example("A job that is no longer wanted", &cancel),
                example("With a mark", &marked(&cancel)),
            ],
            message: cancel,
        },
        Row {
            title: "RetryMessage",
            beside: &["ref"],
            examples: vec![
                example("A job that has failed, or waits for its time", &retry),
                example("With a mark", &marked(&retry)),
            ],
            message: retry,
        },
        Row {
            title: "ResumeMessage",
            beside: &["ref"],
            examples: resumes(),
            message: ClientMessage::Resume(None),
        },
        Row {
            title: "AckMessage",
            beside: &["ref"],
            examples: vec![
                example("A result and a notice have arrived", &ack),
                example("With a mark, for the error if there is one", &marked(&ack)),
            ],
            message: ack,
        },
        Row {
            title: "AuthenticateMessage",
            beside: &["ref"],
            examples: vec![
                example("A fresh ticket", &authenticate),
                example("With a mark", &marked(&authenticate)),
            ],
            message: authenticate,
        },
    ]
}

fn plain() -> TaskPayload {
    TaskPayload {
        task_type: TASK_TYPE.to_owned(),
        content: Some(CONTENT.to_owned()),
        ..TaskPayload::default()
    }
}

fn submission(payload: TaskPayload) -> ClientMessage {
    ClientMessage::SystemMessage(payload)
}

/// A job, and one with each of the options.
fn submissions() -> Vec<Value> {
    let job = |summary, payload| example(summary, &submission(payload));
    vec![
        job("A job", plain()),
        example("With a mark", &marked(&submission(plain()))),
        job(
            "A job on any JSON",
            TaskPayload {
                content: None,
                input: Some(json!({ "page": 7 })),
                ..plain()
            },
        ),
        job(
            "A job that may be submitted again, and stays one",
            TaskPayload {
                idempotency_key: Some(KEY.to_owned()),
                ..plain()
            },
        ),
        job(
            "A job for later",
            TaskPayload {
                delay: Some(90.0),
                ..plain()
            },
        ),
        job(
            "A job for a time",
            TaskPayload {
                run_at: Some(Timestamp::UNIX_EPOCH + Duration::from_secs(1_893_456_000)),
                ..plain()
            },
        ),
        job(
            "A job that goes before those of the last ten minutes",
            TaskPayload {
                priority: Some(10),
                ..plain()
            },
        ),
        job(
            "A job that is tried three times at most",
            TaskPayload {
                max_attempts: Some(3),
                ..plain()
            },
        ),
        job(
            "A job that shares its customer's limits",
            TaskPayload {
                concurrency_key: Some("customer-42".to_owned()),
                ..plain()
            },
        ),
        job(
            "A job that says its text piece by piece",
            TaskPayload {
                task_type: "generate".to_owned(),
                content: Some("weather".to_owned()),
                stream: Some(true),
                ..plain()
            },
        ),
        job(
            "A job that is a part of a trace",
            TaskPayload {
                traceparent: Traceparent::parse(
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                ),
                ..plain()
            },
        ),
        example(
            "With what is absent as null",
            &json!({
                "action": action(&submission(plain())),
                "payload": {
                    "task_type": TASK_TYPE, "content": CONTENT, "input": null, "idempotency_key": null, "delay": null,
                    "run_at": null, "priority": null, "max_attempts": null, "concurrency_key": null, "stream": null,
                    "traceparent": null,
                },
                "ref": null,
            }),
        ),
    ]
}

fn resumes() -> Vec<Value> {
    let earlier = |have| {
        ClientMessage::Resume(Some(ResumePayload {
            session: SESSION.0.to_string(),
            token: TOKEN.to_owned(),
            have,
        }))
    };
    let places = [(JOB.to_string(), (1, 7)), (OTHER_JOB.to_string(), (2, 0))];
    let mut marked = marked(&ClientMessage::Resume(None));
    marked["ref"] = json!(NEXT_MARK);
    vec![
        example("A new session", &ClientMessage::Resume(None)),
        example("With a mark", &marked),
        example("The session of an earlier socket", &earlier(None)),
        example(
            "With where the client is in the texts of its jobs",
            &earlier(Some(places.into())),
        ),
    ]
}
