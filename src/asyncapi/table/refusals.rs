//! What each type of error looks like: real answers, to real frames where a frame alone is enough.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors::ALL;
use super::{CONTENT, MARK, TASK_TYPE, example};
use crate::auth::Scope;
use crate::wire::{
    ACK_LIMIT, BULK_LIMIT, ErrorItem, ErrorType, Frame, JobState, KEY_LIMIT, REF_LIMIT,
    ServerMessage, TOO_FAST, parse,
};

/// The largest frame of a gateway that was not told otherwise, and the most jobs of a session, as its answers name them.
const FRAME_LIMIT: usize = 64 * 1024;
const SESSION_LIMIT: usize = 1_000;
const WAITING_LIMIT: u64 = 100_000;

/// The longest frame that is shown beside the answer to it.
const SHOWN: usize = 300;

/// An error as an answer.
struct Refusal {
    summary: &'static str,
    /// The frame that is refused for itself, whenever it comes.
    asked: Option<String>,
    answer: Frame,
}

/// An example of each way in which each type of error comes.
pub(super) fn refusals() -> Vec<Value> {
    let examples = ALL.into_iter().flat_map(|kind| {
        let shown = move |refusal: Refusal| {
            let mut example = example(refusal.summary, &refusal.answer);
            example["name"] = json!(kind.name());
            example
        };
        of(kind).into_iter().map(shown)
    });
    examples.collect()
}

/// The frames that are answered so, by the summaries of those examples.
pub(super) fn refused(kind: ErrorType) -> Vec<Value> {
    let frames = of(kind).into_iter().filter_map(|refusal| {
        let frame = refusal.asked.filter(|asked| asked.len() <= SHOWN)?;
        Some(json!({ "summary": refusal.summary, "frame": frame }))
    });
    frames.collect()
}

fn of(kind: ErrorType) -> Vec<Refusal> {
    let submission = |summary, options: Value| to(summary, &submitted(options));
    match kind {
        ErrorType::JsonInvalid => vec![
            to_text("A frame that is cut off", r#"{"action": "ping""#.to_owned()),
            without(
                "A binary frame",
                ErrorItem::json_invalid("binary frames are not supported"),
            ),
        ],
        ErrorType::UnionTagNotFound => vec![to("No action", &json!({ "payload": null }))],
        ErrorType::UnionTagInvalid => vec![
            to("An unknown action", &json!({ "action": "fly" })),
            to("An action that is no text", &json!({ "action": 7 })),
        ],
        ErrorType::Missing => vec![
            to(
                "A job that says nothing",
                &json!({ "action": "system_message", "payload": {}, "ref": MARK }),
            ),
            to("No payload", &json!({ "action": "ack" })),
        ],
        ErrorType::StringType => vec![
            submission("A number instead of a text", json!({ "content": 5 })),
            submission("A NUL", json!({ "content": "a\0b" })),
            submission("An empty key", json!({ "idempotency_key": "" })),
        ],
        ErrorType::FloatType => {
            vec![submission("A delay in words", json!({ "delay": "soon" }))]
        }
        ErrorType::IntType => vec![submission("Half a priority", json!({ "priority": 1.5 }))],
        ErrorType::BoolType => vec![submission("A text instead", json!({ "stream": "yes" }))],
        ErrorType::DatetimeParsing => {
            vec![submission(
                "A time in words",
                json!({ "run_at": "tomorrow" }),
            )]
        }
        ErrorType::GreaterThanEqual => vec![
            submission("No attempt at all", json!({ "max_attempts": 0 })),
            submission("A delay into the past", json!({ "delay": -1 })),
        ],
        ErrorType::LessThanEqual => vec![
            submission("Too high a priority", json!({ "priority": 40_000 })),
            submission(
                "A time far away",
                json!({ "run_at": "9000-01-01T00:00:00Z" }),
            ),
        ],
        ErrorType::ValueError => vec![
            submission("A text and more", json!({ "input": { "page": 7 } })),
            submission(
                "Two times",
                json!({ "delay": 90, "run_at": "2030-01-01T00:00:00Z" }),
            ),
            to(
                "No job among many",
                &json!({ "action": "submit_jobs", "payload": { "jobs": [] } }),
            ),
        ],
        ErrorType::ListType => vec![
            to(
                "One id instead of a list",
                &json!({ "action": "ack", "payload": { "ids": "notice-12" } }),
            ),
            to(
                "A place that is none",
                &json!({
                    "action": "resume",
                    "payload": { "session": "s", "token": "t", "have": { "a job": 7 } },
                }),
            ),
        ],
        ErrorType::ModelType => vec![
            to("A frame that is a list", &json!([])),
            to(
                "A payload that is a text",
                &json!({ "action": "system_message", "payload": CONTENT }),
            ),
        ],
        ErrorType::NoneRequired => vec![to(
            "A ping with a payload",
            &json!({ "action": "ping", "payload": {} }),
        )],
        ErrorType::TooLarge => too_large(),
        ErrorType::Busy => vec![
            without("Too much is waiting", ErrorItem::busy()),
            without(
                "A session with too many jobs",
                ErrorItem::mailbox_full(SESSION_LIMIT),
            ),
            without(
                "A subject with too many jobs",
                ErrorItem::too_many_waiting(WAITING_LIMIT),
            ),
            without("A key that is in use", ErrorItem::key_locked()),
        ],
        ErrorType::RateLimited => vec![without(
            "Too many messages",
            ErrorItem::rate_limited(TOO_FAST, Duration::ZERO),
        )],
        ErrorType::UuidParsing => vec![to(
            "An id that is none",
            &json!({ "action": "cancel_job", "payload": { "job_id": "7" } }),
        )],
        ErrorType::Unauthorized => {
            vec![without("A ticket that is none", ErrorItem::no_ticket())]
        }
        ErrorType::Forbidden => vec![
            without(
                "A token that may not submit jobs",
                ErrorItem::needs(Scope::JobsSubmit, &["system_message"]),
            ),
            without("Somebody else's ticket", ErrorItem::other_subject()),
        ],
        ErrorType::NotFound => vec![
            without("No job to cancel", ErrorItem::job_not_found("cancel_job")),
            without("No job to retry", ErrorItem::job_not_found("retry_job")),
        ],
        ErrorType::TaskUnknown => vec![
            without("No such task", ErrorItem::task_unknown("fly")),
            without(
                "No such task in the second of many jobs",
                ErrorItem::task_unknown("fly").of_job(1),
            ),
        ],
        ErrorType::Conflict => vec![
            without("A key of another request", ErrorItem::key_conflict()),
            without(
                "A job that is over",
                ErrorItem::job_over(JobState::Succeeded),
            ),
            without(
                "A job that runs, and is not one to retry",
                ErrorItem::job_not_to_retry(JobState::Running),
            ),
        ],
        ErrorType::Unstorable => vec![without("A job", ErrorItem::unstorable())],
        ErrorType::Unavailable => vec![
            without("The job was not stored", ErrorItem::unavailable(false)),
            without("The job may have been stored", ErrorItem::unavailable(true)),
            without("No session", ErrorItem::no_session()),
            without(
                "A job that may be cancelled or not",
                ErrorItem::not_cancelled(),
            ),
            without("A job that may be retried or not", ErrorItem::not_retried()),
            without("No ticket", ErrorItem::not_authenticated()),
        ],
    }
}

fn too_large() -> Vec<Refusal> {
    let submission = |summary, options: Value| to(summary, &submitted(options));
    let key = "x".repeat(KEY_LIMIT + 1);
    let job = submitted(json!({}))["payload"].take();
    vec![
        without(
            "A frame",
            ErrorItem::frame_too_large(FRAME_LIMIT + 1, FRAME_LIMIT),
        ),
        to(
            "A mark",
            &json!({ "action": "ping", "ref": "x".repeat(REF_LIMIT + 1) }),
        ),
        submission("A key", json!({ "idempotency_key": key })),
        submission(
            "A key of limits",
            json!({ "concurrency_key": "x".repeat(KEY_LIMIT + 1) }),
        ),
        to(
            "Too many jobs",
            &json!({ "action": "submit_jobs", "payload": { "jobs": vec![job; BULK_LIMIT + 1] } }),
        ),
        to(
            "Too many ids",
            &json!({ "action": "ack", "payload": { "ids": vec!["notice-12"; ACK_LIMIT + 1] } }),
        ),
    ]
}

/// A submission with these fields beside, or instead of, what it has to have.
fn submitted(options: Value) -> Value {
    let mut payload = json!({ "task_type": TASK_TYPE, "content": CONTENT });
    if let (Value::Object(payload), Value::Object(options)) = (&mut payload, options) {
        payload.extend(options);
    }
    json!({ "action": "system_message", "payload": payload })
}

/// The answer to a frame that is refused.
fn to(summary: &'static str, frame: &Value) -> Refusal {
    to_text(summary, frame.to_string())
}

fn to_text(summary: &'static str, text: String) -> Refusal {
    let request = parse(&text);
    let errors = request
        .message
        .expect_err("each of these frames has a mistake");
    Refusal {
        summary,
        asked: Some(text),
        answer: Frame::answering(ServerMessage::Error(errors), request.reference),
    }
}

/// An error for which a frame alone is not enough; it answers a message with a mark.
fn without(summary: &'static str, error: ErrorItem) -> Refusal {
    let mark = Some(MARK.to_owned());
    Refusal {
        summary,
        asked: None,
        answer: Frame::answering(ServerMessage::Error(vec![error]), mark),
    }
}
