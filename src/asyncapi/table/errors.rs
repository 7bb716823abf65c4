//! Every type of error: what it means, when it comes, whether to try again, and what to do.

use std::collections::BTreeMap;

use schemars::schema_for;
use serde_json::{Value, json};

use super::refusals::refused;
use crate::wire::ErrorType;

/// Every type of error, in the order of their declaration.
pub(super) const ALL: [ErrorType; 26] = [
    ErrorType::JsonInvalid,
    ErrorType::UnionTagNotFound,
    ErrorType::UnionTagInvalid,
    ErrorType::Missing,
    ErrorType::StringType,
    ErrorType::FloatType,
    ErrorType::IntType,
    ErrorType::BoolType,
    ErrorType::DatetimeParsing,
    ErrorType::GreaterThanEqual,
    ErrorType::LessThanEqual,
    ErrorType::ValueError,
    ErrorType::ListType,
    ErrorType::ModelType,
    ErrorType::NoneRequired,
    ErrorType::TooLarge,
    ErrorType::Busy,
    ErrorType::RateLimited,
    ErrorType::UuidParsing,
    ErrorType::Unauthorized,
    ErrorType::Forbidden,
    ErrorType::NotFound,
    ErrorType::TaskUnknown,
    ErrorType::Conflict,
    ErrorType::Unstorable,
    ErrorType::Unavailable,
];

/// What there is to say of a type of error, beside what its own comment says.
struct Words {
    /// When it comes.
    when: &'static str,
    again: Again,
    /// What to do.
    advice: &'static str,
}

/// Whether the same message may be accepted when it is sent again.
#[derive(PartialEq, Eq)]
enum Again {
    No,
    Later,
}

/// The table of the document.
pub(in crate::asyncapi) fn errors() -> Vec<Value> {
    let meanings = meanings();
    let row = |kind: ErrorType| {
        let name = kind.name();
        let words = words(kind);
        json!({
            "type": name,
            "meaning": meanings[&name],
            "when": words.when,
            "try_again": words.again == Again::Later,
            "advice": words.advice,
            "frames": refused(kind),
        })
    };
    ALL.into_iter().map(row).collect()
}

/// What the types say of themselves, by their names.
fn meanings() -> BTreeMap<String, String> {
    let schema = Value::from(schema_for!(ErrorType));
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    variants
        .iter()
        .map(|variant| (text(&variant["const"]), text(&variant["description"])))
        .collect()
}

fn words(kind: ErrorType) -> Words {
    let no = |when, advice| Words {
        when,
        again: Again::No,
        advice,
    };
    let later = |when, advice| Words {
        when,
        again: Again::Later,
        advice,
    };
    match kind {
        ErrorType::JsonInvalid => no(
            "The frame is cut off, is nested too deeply, has half of a surrogate pair, is binary, or is no JSON at all.",
            "Send one JSON object in each text frame; the message says where it stops to be one.",
        ),
        ErrorType::UnionTagNotFound => no(
            "The frame is an object without an `action`.",
            "Name the action.",
        ),
        ErrorType::UnionTagInvalid => no(
            "The `action` is none of those that a client can send.",
            "Look for it among the messages; a gateway that is older than its client may not know it yet.",
        ),
        ErrorType::Missing => no(
            "The payload is not there, or a field of it that has to be.",
            "Add what `loc` names.",
        ),
        ErrorType::StringType => no(
            "What should be a text is something else, is empty where it must not be, or has a NUL, which Postgres cannot store.",
            "Send a text without NUL characters.",
        ),
        ErrorType::FloatType => no("`delay` is no number.", "Send seconds, such as 1.5."),
        ErrorType::IntType => no(
            "`priority` or `max_attempts` is no whole number.",
            "Send a number without a fraction.",
        ),
        ErrorType::BoolType => no(
            "`stream` is neither true nor false.",
            "Send true, false, or nothing.",
        ),
        ErrorType::DatetimeParsing => no(
            "`run_at` is no time as RFC 3339 has it.",
            "Send date, time and offset: 2026-01-31T12:00:00Z.",
        ),
        ErrorType::GreaterThanEqual => no(
            "`delay`, `priority` or `max_attempts` is below what it may be.",
            "Send at least what the message says.",
        ),
        ErrorType::LessThanEqual => no(
            "`delay`, `priority` or `max_attempts` is above what it may be, or `run_at` is more than ten years away.",
            "Send at most what the message says.",
        ),
        ErrorType::ValueError => no(
            "There are two fields of which there may be one (`content` and `input`, `delay` and `run_at`), or `jobs` is empty.",
            "Leave one of them out; submit at least one job.",
        ),
        ErrorType::ListType => no(
            "`jobs` or `ids` is no list, or a place in `have` is not an attempt and a number.",
            "Send a list.",
        ),
        ErrorType::ModelType => no(
            "The frame, its payload, or `have` is no object.",
            "Send an object.",
        ),
        ErrorType::NoneRequired => no("A `ping` has a payload.", "Leave it out, or send null."),
        ErrorType::TooLarge => no(
            "The frame, `ref`, a key or a list is larger than it may be.",
            "Stay below what the message says: keep large inputs elsewhere and send where they are, and split long lists.",
        ),
        ErrorType::Busy => later(
            "Too much waits to be stored, this socket waits for too many jobs, its session has too many that are not over or not acknowledged, its subject has too many that are not over, or somebody's transaction holds the `idempotency_key`. Nothing was stored.",
            "Acknowledge what has arrived, and send the same again after `retry_after` seconds.",
        ),
        ErrorType::RateLimited => later(
            "This socket, or all sockets and requests of its subject together, send more messages in a second than they may. Nothing was done.",
            "Send more slowly: the same is taken after `retry_after` seconds.",
        ),
        ErrorType::UuidParsing => no(
            "`job_id` is no UUID.",
            "Send the `job_id` that came with `job_queued`.",
        ),
        ErrorType::Unauthorized => no(
            "The ticket of an `authenticate` is unknown, was used before, or is more than 30 seconds old. Over HTTP: there is no token, or it is not taken.",
            "Buy a fresh ticket, and give it at once.",
        ),
        ErrorType::Forbidden => no(
            "The token of the socket has not the scope that this needs, or a fresh ticket is another subject's.",
            "Ask whoever gives tokens for one with that scope.",
        ),
        ErrorType::NotFound => no(
            "The job to cancel or to retry is not there, or another client has asked for it.",
            "Use the socket that asked for it, or its session.",
        ),
        ErrorType::TaskUnknown => no(
            "No worker has said that it has a task of this name, and none has a task called `default`.",
            "Look at the name, or start a worker that has the task.",
        ),
        ErrorType::Conflict => no(
            "The `idempotency_key` was used for another request, and nothing was stored; or the job to cancel is over, or the one to retry runs or has succeeded.",
            "Give a new request a new key. A job that is over has its outcome.",
        ),
        ErrorType::Unstorable => no(
            "The database refused this job, and this one alone.",
            "Change the job: the same would be refused again.",
        ),
        ErrorType::Unavailable => later(
            "The database stayed away for 30 seconds (10 for `resume`, `cancel_job` and `retry_job`). With `maybe` it cannot be known whether the job was stored.",
            "Send the same again after `retry_after` seconds; with an `idempotency_key` it stays one job.",
        ),
    }
}
