//! From the text of a frame to a message, or to everything that is wrong with it.
//!
//! One way only: what is accepted and what is reported come from the same walk, so they cannot disagree.

mod body;
mod callback;
mod fields;
mod mark;
mod options;
mod task;

use serde_json::{Map, Value};

use super::{
    AckPayload, AuthenticatePayload, CancelPayload, ClientMessage, ErrorItem, ErrorType, REF_LIMIT,
    ResumePayload, RetryPayload,
};
use crate::ids::JobId;
pub use body::{parse_cancel, parse_jobs, parse_notice, parse_retry, parse_task};
pub use callback::parse_call_back;
use fields::{check_reference, read_have, read_ids, read_job, read_text};
pub use mark::reference_of;
pub use options::{Wrong, in_range};
use task::{read_jobs, read_task};

/// A message from a client, with the mark it carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The client's mark, to be echoed on every direct answer, where it carried a usable one.
    pub reference: Option<String>,
    /// The message, or what is wrong with it: one entry for each field, in the order of declaration.
    pub message: Result<ClientMessage, Vec<ErrorItem>>,
}

/// Reads the text of a frame.
#[must_use]
pub fn parse(text: &str) -> Request {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let error = ErrorItem::json_invalid(&error.to_string());
            return refused(reference_of(text), error);
        }
    };
    let Value::Object(frame) = value else {
        let msg = "Input should be a valid dictionary or instance of Envelope";
        return refused(None, ErrorItem::new(ErrorType::ModelType, &[], msg));
    };
    let reference = frame
        .get("ref")
        .and_then(Value::as_str)
        .filter(|mark| mark.len() <= REF_LIMIT);
    Request {
        reference: reference.map(str::to_owned),
        message: read_message(&frame),
    }
}

fn refused(reference: Option<String>, error: ErrorItem) -> Request {
    Request {
        reference,
        message: Err(vec![error]),
    }
}

fn read_message(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let tag = match frame.get("action") {
        None => {
            let msg = "Unable to extract tag using discriminator 'action'";
            return Err(vec![ErrorItem::new(ErrorType::UnionTagNotFound, &[], msg)]);
        }
        Some(Value::String(tag)) => tag.as_str(),
        Some(other) => return Err(vec![unknown_tag(&spelled(other))]),
    };
    match tag {
        "ping" => read_ping(frame),
        "system_message" => read_system_message(frame),
        "submit_jobs" => read_submit_jobs(frame),
        "cancel_job" => read_cancel_job(frame),
        "retry_job" => read_retry_job(frame),
        "resume" => read_resume(frame),
        "ack" => read_ack(frame),
        "authenticate" => read_authenticate(frame),
        other => Err(vec![unknown_tag(other)]),
    }
}

/// What a client may send.
const TAGS: &str = "'ping', 'system_message', 'submit_jobs', 'cancel_job', 'retry_job', 'resume', 'ack', 'authenticate'";

fn unknown_tag(tag: &str) -> ErrorItem {
    let msg = format!(
        "Input tag '{tag}' found using 'action' does not match any of the expected tags: {TAGS}"
    );
    ErrorItem::new(ErrorType::UnionTagInvalid, &[], msg)
}

/// A value that is not a string, as the protocol's origin spells it.
fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn read_ping(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    if frame
        .get("payload")
        .is_some_and(|payload| !payload.is_null())
    {
        errors.push(ErrorItem::new(
            ErrorType::NoneRequired,
            &["ping", "payload"],
            "Input should be None",
        ));
    }
    check_reference(frame, "ping", &mut errors);
    if errors.is_empty() {
        Ok(ClientMessage::Ping)
    } else {
        Err(errors)
    }
}

fn read_system_message(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None => errors.push(ErrorItem::new(
            ErrorType::Missing,
            &["system_message", "payload"],
            "Field required",
        )),
        Some(payload) => read = read_task(payload, &mut errors),
    }
    check_reference(frame, "system_message", &mut errors);
    match read {
        Some(payload) if errors.is_empty() => Ok(ClientMessage::SystemMessage(payload)),
        _ => Err(errors),
    }
}

fn read_submit_jobs(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None => errors.push(ErrorItem::new(
            ErrorType::Missing,
            &["submit_jobs", "payload"],
            "Field required",
        )),
        Some(Value::Object(payload)) => read = read_jobs(payload, &mut errors),
        Some(_) => errors.push(not_a("JobsPayload", "submit_jobs")),
    }
    check_reference(frame, "submit_jobs", &mut errors);
    match read {
        Some(payload) if errors.is_empty() => Ok(ClientMessage::SubmitJobs(payload)),
        _ => Err(errors),
    }
}

fn read_cancel_job(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let job_id = read_named_job(frame, "cancel_job", "CancelPayload")?;
    Ok(ClientMessage::CancelJob(CancelPayload { job_id }))
}

fn read_retry_job(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let job_id = read_named_job(frame, "retry_job", "RetryPayload")?;
    Ok(ClientMessage::RetryJob(RetryPayload { job_id }))
}

/// The job that a message is about, which has nothing else in its payload.
fn read_named_job(
    frame: &Map<String, Value>,
    action: &str,
    model: &str,
) -> Result<JobId, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None => errors.push(ErrorItem::new(
            ErrorType::Missing,
            &[action, "payload"],
            "Field required",
        )),
        Some(Value::Object(payload)) => read = read_job(payload, action, &mut errors),
        Some(_) => errors.push(not_a(model, action)),
    }
    check_reference(frame, action, &mut errors);
    match read {
        Some(job_id) if errors.is_empty() => Ok(job_id),
        _ => Err(errors),
    }
}

fn read_resume(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None | Some(Value::Null) => {}
        Some(Value::Object(payload)) => {
            let session = read_text(payload, "resume", "session", &mut errors);
            let token = read_text(payload, "resume", "token", &mut errors);
            let have = read_have(payload, &mut errors);
            read = session.zip(token).map(|(session, token)| ResumePayload {
                session,
                token,
                have,
            });
        }
        Some(_) => errors.push(not_a("ResumePayload", "resume")),
    }
    check_reference(frame, "resume", &mut errors);
    if errors.is_empty() {
        Ok(ClientMessage::Resume(read))
    } else {
        Err(errors)
    }
}

fn read_ack(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None => errors.push(ErrorItem::new(
            ErrorType::Missing,
            &["ack", "payload"],
            "Field required",
        )),
        Some(Value::Object(payload)) => read = read_ids(payload, &mut errors),
        Some(_) => errors.push(not_a("AckPayload", "ack")),
    }
    check_reference(frame, "ack", &mut errors);
    match read {
        Some(ids) if errors.is_empty() => Ok(ClientMessage::Ack(AckPayload { ids })),
        _ => Err(errors),
    }
}

fn read_authenticate(frame: &Map<String, Value>) -> Result<ClientMessage, Vec<ErrorItem>> {
    let mut errors = Vec::new();
    let mut read = None;
    match frame.get("payload") {
        None => errors.push(ErrorItem::new(
            ErrorType::Missing,
            &["authenticate", "payload"],
            "Field required",
        )),
        Some(Value::Object(payload)) => {
            read = read_text(payload, "authenticate", "ticket", &mut errors);
        }
        Some(_) => errors.push(not_a("AuthenticatePayload", "authenticate")),
    }
    check_reference(frame, "authenticate", &mut errors);
    match read {
        Some(ticket) if errors.is_empty() => {
            Ok(ClientMessage::Authenticate(AuthenticatePayload { ticket }))
        }
        _ => Err(errors),
    }
}

/// A payload that is not an object of its model.
fn not_a(model: &str, action: &str) -> ErrorItem {
    let msg = format!("Input should be a valid dictionary or instance of {model}");
    ErrorItem::new(ErrorType::ModelType, &[action, "payload"], msg)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(text: &str) -> Value {
        let errors = parse(text)
            .message
            .expect_err("this text should be refused");
        serde_json::to_value(errors).unwrap()
    }

    fn error(kind: &str, loc: &[&str], msg: &str) -> Value {
        json!([{"type": kind, "loc": loc, "msg": msg}])
    }

    #[test]
    fn a_ping_is_a_ping_with_or_without_its_null() {
        for text in [
            r#"{"action":"ping"}"#,
            r#"{"action":"ping","payload":null,"ref":null,"more":[1]}"#,
        ] {
            assert_eq!(
                parse(text),
                Request {
                    reference: None,
                    message: Ok(ClientMessage::Ping)
                }
            );
        }
    }

    #[test]
    fn a_mark_is_kept_also_beside_an_error() {
        assert_eq!(
            parse(r#"{"action":"ping","ref":"a"}"#).reference.as_deref(),
            Some("a")
        );
        assert_eq!(
            parse(r#"{"action":"fly","ref":"b"}"#).reference.as_deref(),
            Some("b")
        );
    }

    #[test]
    fn the_mark_of_a_message_that_is_not_read_is_found() {
        let mark = |text: &str| reference_of(text);
        let large = format!(
            r#"{{"action": "ping", "payload": "{}", "ref": "a"}}"#,
            "x".repeat(100)
        );
        assert_eq!(mark(&large).as_deref(), Some("a"));
        for text in ["", "{", "[]", "{}", r#"{"ref": 5}"#, r#"{"ref": null}"#] {
            assert_eq!(mark(text), None, "{text}");
        }
        assert_eq!(mark(&format!(r#"{{"ref": "{}"}}"#, "x".repeat(65))), None);
    }

    #[test]
    fn a_mark_that_cannot_be_echoed_is_an_error() {
        assert_eq!(
            errors(r#"{"action":"ping","ref":5}"#),
            error(
                "string_type",
                &["ping", "ref"],
                "Input should be a valid string"
            )
        );
        let long = "é".repeat(33);
        assert_eq!(
            errors(&format!(r#"{{"action":"ping","ref":"{long}"}}"#)),
            error(
                "too_large",
                &["ping", "ref"],
                "The ref has 66 bytes; at most 64 are allowed"
            )
        );
    }

    #[test]
    fn every_mistake_has_the_words_of_the_protocol() {
        let envelope = "Input should be a valid dictionary or instance of Envelope";
        for text in ["[]", "\"ping\"", "5", "null"] {
            assert_eq!(errors(text), error("model_type", &[], envelope));
        }
        assert_eq!(
            errors("{"),
            error(
                "json_invalid",
                &[],
                "Invalid JSON: EOF while parsing an object at line 1 column 1"
            )
        );
        assert_eq!(
            errors("{}"),
            error(
                "union_tag_not_found",
                &[],
                "Unable to extract tag using discriminator 'action'"
            )
        );
        for (text, tag) in [
            (r#"{"action":"fly"}"#, "fly"),
            (r#"{"action":null}"#, "None"),
            (r#"{"action":5}"#, "5"),
        ] {
            let msg = format!(
                "Input tag '{tag}' found using 'action' does not match any of the expected tags: \
                 'ping', 'system_message', 'submit_jobs', 'cancel_job', 'retry_job', 'resume', 'ack', 'authenticate'"
            );
            assert_eq!(errors(text), error("union_tag_invalid", &[], &msg));
        }
        assert_eq!(
            errors(r#"{"action":"ping","payload":{}}"#),
            error(
                "none_required",
                &["ping", "payload"],
                "Input should be None"
            )
        );
        assert_eq!(
            errors(r#"{"action":"system_message"}"#),
            error("missing", &["system_message", "payload"], "Field required")
        );
        for payload in ["null", "[]", "\"x\"", "[\"translate\",\"hello\"]"] {
            assert_eq!(
                errors(&format!(
                    r#"{{"action":"system_message","payload":{payload}}}"#
                )),
                error(
                    "model_type",
                    &["system_message", "payload"],
                    "Input should be a valid dictionary or instance of TaskPayload"
                )
            );
        }
    }

    #[test]
    fn every_field_has_its_own_entry_in_the_order_of_declaration() {
        assert_eq!(
            errors(r#"{"action":"system_message","payload":{"content":5}}"#),
            json!([
                {"type": "missing", "loc": ["system_message", "payload", "task_type"], "msg": "Field required"},
                {"type": "string_type", "loc": ["system_message", "payload", "content"],
                 "msg": "Input should be a valid string"},
            ])
        );
    }

    #[test]
    fn a_key_is_a_short_string_that_can_be_stored_or_absent() {
        let with = |key: Value| {
            let payload = json!({"task_type": "a", "content": "x", "idempotency_key": key});
            parse(&json!({"action": "system_message", "payload": payload}).to_string()).message
        };
        let key = |message| match message {
            Ok(ClientMessage::SystemMessage(payload)) => payload.idempotency_key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key(with(json!("k"))), Some("k".to_owned()));
        assert_eq!(key(with(json!("k".repeat(255)))), Some("k".repeat(255)));
        assert_eq!(key(with(Value::Null)), None);
        let refused = [
            (json!(5), ErrorType::StringType),
            (json!(""), ErrorType::StringType),
            (json!("a\0b"), ErrorType::StringType),
            (json!("é".repeat(128)), ErrorType::TooLarge),
        ];
        for (given, kind) in refused {
            let errors = with(given.clone()).expect_err("this key should be refused");
            assert_eq!(errors[0].kind, kind, "{given}");
            assert_eq!(errors[0].loc[2], "idempotency_key", "{given}");
        }
    }

    #[test]
    fn a_session_is_asked_for_with_its_secret_or_anew() {
        let resume = |payload: Value| {
            parse(&json!({"action": "resume", "payload": payload}).to_string()).message
        };
        assert_eq!(
            parse(r#"{"action":"resume"}"#).message,
            Ok(ClientMessage::Resume(None))
        );
        assert_eq!(resume(Value::Null), Ok(ClientMessage::Resume(None)));
        let (session, token) = ("s".to_owned(), "t".to_owned());
        assert_eq!(
            resume(json!({"session": "s", "token": "t", "have": {"j": [2, 7]}})),
            Ok(ClientMessage::Resume(Some(ResumePayload {
                session,
                token,
                have: Some([("j".to_owned(), (2, 7))].into()),
            })))
        );
        for have in [
            json!([]),
            json!({"j": [2]}),
            json!({"j": ["2", 7]}),
            json!({"j": [2, -1]}),
        ] {
            let refused = resume(json!({"session": "s", "token": "t", "have": have}));
            let errors = refused.expect_err("this should be refused");
            assert_eq!(errors[0].loc[2], "have", "{have}");
        }
        assert_eq!(
            errors(r#"{"action":"resume","payload":{"session":5}}"#),
            json!([
                {"type": "string_type", "loc": ["resume", "payload", "session"], "msg": "Input should be a valid string"},
                {"type": "missing", "loc": ["resume", "payload", "token"], "msg": "Field required"},
            ])
        );
        let msg = "Input should be a valid dictionary or instance of ResumePayload";
        assert_eq!(
            errors(r#"{"action":"resume","payload":[]}"#),
            error("model_type", &["resume", "payload"], msg)
        );
    }

    #[test]
    fn each_of_many_jobs_is_read_and_its_mistakes_have_their_place() {
        let job = json!({"task_type": "a", "content": "x", "delay": 1});
        let submit =
            |jobs: Value| json!({"action": "submit_jobs", "payload": {"jobs": jobs}}).to_string();
        match parse(&submit(json!([job, job]))).message {
            Ok(ClientMessage::SubmitJobs(payload)) => assert_eq!(payload.jobs.len(), 2),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            errors(&submit(json!([job, {"task_type": "a", "content": 5}, 7]))),
            json!([
                {"type": "string_type", "loc": ["submit_jobs", "payload", "jobs", "1", "content"],
                 "msg": "Input should be a valid string"},
                {"type": "model_type", "loc": ["submit_jobs", "payload", "jobs", "2"],
                 "msg": "Input should be a valid dictionary or instance of TaskPayload"},
            ])
        );
        for (jobs, kind) in [
            (json!([]), "value_error"),
            (json!(vec![job; 501]), "too_large"),
            (json!({}), "list_type"),
        ] {
            assert_eq!(errors(&submit(jobs))[0]["type"], kind);
        }
        assert_eq!(errors(r#"{"action":"submit_jobs"}"#)[0]["type"], "missing");
    }

    #[test]
    fn a_job_to_retry_is_named_by_its_id() {
        let job = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
        let text = format!(r#"{{"action":"retry_job","payload":{{"job_id":"{job}"}}}}"#);
        let Ok(ClientMessage::RetryJob(payload)) = parse(&text).message else {
            panic!("{text}");
        };
        assert_eq!(payload.job_id.to_string(), job);
        assert_eq!(
            errors(r#"{"action":"retry_job","payload":{}}"#),
            error(
                "missing",
                &["retry_job", "payload", "job_id"],
                "Field required"
            )
        );
    }

    #[test]
    fn a_job_to_cancel_is_named_by_its_id() {
        let job = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
        let message = parse(&format!(
            r#"{{"action":"cancel_job","payload":{{"job_id":"{job}"}}}}"#
        ));
        let Ok(ClientMessage::CancelJob(payload)) = message.message else {
            panic!("{message:?}");
        };
        assert_eq!(payload.job_id.to_string(), job);
        let place = ["cancel_job", "payload", "job_id"];
        assert_eq!(
            errors(r#"{"action":"cancel_job","payload":{}}"#),
            error("missing", &place, "Field required")
        );
        assert_eq!(
            errors(r#"{"action":"cancel_job","payload":{"job_id":7}}"#),
            error("string_type", &place, "Input should be a valid string")
        );
        assert_eq!(
            errors(r#"{"action":"cancel_job","payload":{"job_id":"7"}}"#)[0]["type"],
            "uuid_parsing"
        );
        assert_eq!(
            errors(r#"{"action":"cancel_job"}"#),
            error("missing", &["cancel_job", "payload"], "Field required")
        );
    }

    #[test]
    fn an_acknowledgement_is_a_list_of_strings() {
        let ids = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            parse(r#"{"action":"ack","payload":{"ids":["a","b"]}}"#).message,
            Ok(ClientMessage::Ack(AckPayload { ids }))
        );
        let place = ["ack", "payload", "ids"];
        assert_eq!(
            errors(r#"{"action":"ack","payload":{"ids":"a"}}"#),
            error("list_type", &place, "Input should be a valid list")
        );
        assert_eq!(
            errors(r#"{"action":"ack","payload":{"ids":["a",5]}}"#),
            error(
                "string_type",
                &["ack", "payload", "ids", "1"],
                "Input should be a valid string"
            )
        );
        let many = json!({"action": "ack", "payload": {"ids": vec!["a"; 1_001]}}).to_string();
        assert_eq!(
            errors(&many),
            error(
                "too_large",
                &place,
                "There are 1001 ids; at most 1000 are allowed"
            )
        );
        assert_eq!(
            errors(r#"{"action":"ack"}"#),
            error("missing", &["ack", "payload"], "Field required")
        );
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let content = ["system_message", "payload", "content"];
        assert_eq!(
            errors(
                r#"{"action":"system_message","payload":{"task_type":"a","content":"x\u0000y"}}"#
            ),
            error(
                "string_type",
                &content,
                "Input should be a valid string without NUL characters"
            )
        );
        let lone =
            errors(r#"{"action":"system_message","payload":{"task_type":"a","content":"\ud800"}}"#);
        assert_eq!(lone[0]["type"], "json_invalid");
    }
}
