//! The body of an HTTP request: read as the payload of a message is, but what is wrong with it is in the body.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::{
    BULK_LIMIT, CancelJobs, ErrorItem, ErrorType, JobState, JobsPayload, NewNotice, RetryJobs,
    TaskPayload,
};
use super::fields::read_text;
use super::not_a;
use super::options::delay;
use super::task::{read_jobs, read_task};
use crate::ids::JobId;

/// What stands for a message's action where there is no message.
const NOTICE: &str = "notice";
const MANY: &str = "jobs";

/// Reads what to run.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_task(body: &[u8]) -> Result<TaskPayload, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read("system_message", |errors| read_task(&body, errors))
}

/// Reads what to run, many times.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_jobs(body: &[u8]) -> Result<JobsPayload, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read("submit_jobs", |errors| {
        let body = object(&body, "JobsPayload", "submit_jobs", errors)?;
        read_jobs(body, errors)
    })
}

/// Reads a notice.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_notice(body: &[u8]) -> Result<NewNotice, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read(NOTICE, |errors| {
        let body = object(&body, "NewNotice", NOTICE, errors)?;
        let content = read_text(body, NOTICE, "content", errors);
        let ttl = body.get("ttl").filter(|ttl| !ttl.is_null());
        let ttl = ttl.and_then(|ttl| {
            let at_ttl = |(kind, msg)| ErrorItem::new(kind, &[NOTICE, "payload", "ttl"], msg);
            delay(ttl).map_err(|wrong| errors.push(at_ttl(wrong))).ok()
        });
        Some(NewNotice {
            content: content?,
            ttl,
        })
    })
}

/// Reads which jobs are to end.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_cancel(body: &[u8]) -> Result<CancelJobs, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read(MANY, |errors| {
        let body = object(&body, "CancelJobs", MANY, errors)?;
        let ids = read_job_ids(body, errors);
        let states = read_states(body, errors);
        Some(CancelJobs { ids: ids?, states })
    })
}

/// Reads which jobs are to have another chance.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_retry(body: &[u8]) -> Result<RetryJobs, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read(MANY, |errors| {
        let body = object(&body, "RetryJobs", MANY, errors)?;
        let ids = read_job_ids(body, errors)?;
        Some(RetryJobs { ids })
    })
}

fn read_job_ids(body: &Map<String, Value>, errors: &mut Vec<ErrorItem>) -> Option<Vec<JobId>> {
    let loc = [MANY, "payload", "ids"];
    let wrong = |kind, msg: String| ErrorItem::new(kind, &loc, msg);
    let error = match body.get("ids") {
        None => wrong(ErrorType::Missing, "Field required".to_owned()),
        Some(Value::Array(ids)) if ids.is_empty() || ids.len() > BULK_LIMIT => {
            let msg = format!(
                "Input has {} ids; it should have 1 to {BULK_LIMIT}",
                ids.len()
            );
            wrong(ErrorType::TooLarge, msg)
        }
        Some(Value::Array(ids)) => {
            let mut read = Vec::with_capacity(ids.len());
            for (number, id) in ids.iter().enumerate() {
                match id.as_str().and_then(|id| Uuid::parse_str(id).ok()) {
                    Some(id) => read.push(JobId(id)),
                    None => {
                        let loc = [MANY, "payload", "ids", &number.to_string()];
                        let msg = "Input should be a valid UUID";
                        errors.push(ErrorItem::new(ErrorType::UuidParsing, &loc, msg));
                    }
                }
            }
            return (read.len() == ids.len()).then_some(read);
        }
        Some(_) => wrong(
            ErrorType::ListType,
            "Input should be a valid list".to_owned(),
        ),
    };
    errors.push(error);
    None
}

fn read_states(body: &Map<String, Value>, errors: &mut Vec<ErrorItem>) -> Option<Vec<JobState>> {
    let states = body.get("states").filter(|states| !states.is_null())?;
    let named = states.as_array().and_then(|states| {
        let named = states.iter().map(|state| JobState::named(state.as_str()?));
        named.collect::<Option<Vec<JobState>>>()
    });
    if named.is_none() {
        let known = JobState::ALL.map(JobState::name).join(", ");
        let msg = format!("Input should be a list of states: {known}");
        errors.push(ErrorItem::new(
            ErrorType::ValueError,
            &[MANY, "payload", "states"],
            msg,
        ));
    }
    named
}

pub(super) fn read_json(body: &[u8]) -> Result<Value, Vec<ErrorItem>> {
    serde_json::from_slice(body).map_err(|error| {
        let error = ErrorItem::json_invalid(&error.to_string());
        vec![error.moved(&[], &["body"])]
    })
}

/// What `reading` gives, if it finds nothing wrong; else that, in the body instead of the payload of `action`.
pub(super) fn read<T>(
    action: &str,
    reading: impl FnOnce(&mut Vec<ErrorItem>) -> Option<T>,
) -> Result<T, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    match reading(&mut errors) {
        Some(read) if errors.is_empty() => Ok(read),
        _ => {
            let moved = |error: ErrorItem| error.moved(&[action, "payload"], &["body"]);
            Err(errors.into_iter().map(moved).collect())
        }
    }
}

pub(super) fn object<'a>(
    body: &'a Value,
    model: &str,
    action: &str,
    errors: &mut Vec<ErrorItem>,
) -> Option<&'a Map<String, Value>> {
    let object = body.as_object();
    if object.is_none() {
        errors.push(not_a(model, action));
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_job_is_said_as_on_the_socket_but_in_the_body() {
        let task = parse_task(br#"{"task_type": "a", "content": "x", "delay": 1}"#).unwrap();
        assert_eq!(task.delay, Some(1.0));
        let errors = parse_task(br#"{"task_type": 5, "priority": "high"}"#).unwrap_err();
        assert_eq!(
            json!(errors),
            json!([
                {"type": "string_type", "loc": ["body", "task_type"], "msg": "Input should be a valid string"},
                {"type": "missing", "loc": ["body", "content"], "msg": "Field required"},
                {"type": "int_type", "loc": ["body", "priority"], "msg": "Input should be a valid integer"},
            ])
        );
        let errors = json!(parse_task(b"null").unwrap_err());
        assert_eq!(
            (&errors[0]["type"], &errors[0]["loc"]),
            (&json!("model_type"), &json!(["body"]))
        );
        let errors =
            parse_jobs(br#"{"jobs": [{"task_type": "a", "content": "x"}, {"content": ""}]}"#);
        assert_eq!(
            json!(errors.unwrap_err()),
            json!([{"type": "missing", "loc": ["body", "jobs", "1", "task_type"], "msg": "Field required"}])
        );
        let errors = json!(parse_jobs(b"[]").unwrap_err());
        assert_eq!(
            (&errors[0]["type"], &errors[0]["loc"]),
            (&json!("model_type"), &json!(["body"]))
        );
    }

    #[test]
    fn a_notice_is_a_text_and_perhaps_a_time_to_live() {
        let notice = parse_notice(br#"{"content": "hi", "ttl": 1.5}"#).unwrap();
        assert_eq!((notice.content.as_str(), notice.ttl), ("hi", Some(1.5)));
        let notice = parse_notice(br#"{"content": "hi", "ttl": null}"#).unwrap();
        assert_eq!(notice.ttl, None);
        for (body, kind, loc) in [
            ("{}", "missing", json!(["body", "content"])),
            (
                r#"{"content": 5}"#,
                "string_type",
                json!(["body", "content"]),
            ),
            (
                r#"{"content": "a", "ttl": "1h"}"#,
                "float_type",
                json!(["body", "ttl"]),
            ),
            (
                r#"{"content": "a", "ttl": -1}"#,
                "greater_than_equal",
                json!(["body", "ttl"]),
            ),
            ("[]", "model_type", json!(["body"])),
            ("{", "json_invalid", json!(["body"])),
        ] {
            let errors = json!(parse_notice(body.as_bytes()).expect_err(body));
            assert_eq!(
                (&errors[0]["type"], &errors[0]["loc"]),
                (&json!(kind), &loc),
                "{body}"
            );
        }
    }
}
