//! What whoever calls back says.

use serde_json::{Map, Value};

use super::super::{CallBackBody, ErrorItem, ErrorType};
use super::body::{object, read, read_json};
use super::fields::read_text;

const CALL_BACK: &str = "call_back";

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// The longest delay that may be asked for, in seconds.
const LONGEST_DELAY: f64 = 30.0 * 86_400.0;

/// Reads how a job went, or how far it is: a `result`, also a null one, or an `error`, or else a progress.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_call_back(body: &[u8]) -> Result<CallBackBody, Vec<ErrorItem>> {
    let body = read_json(body)?;
    read(CALL_BACK, |errors| {
        let body = object(&body, "CallBackBody", CALL_BACK, errors)?;
        if let Some(result) = body.get("result") {
            return Some(CallBackBody::Done {
                result: result.clone(),
            });
        }
        if is_there(body, "error") {
            return failed(body, errors);
        }
        progress(body, errors)
    })
}

fn failed(body: &Map<String, Value>, errors: &mut Vec<ErrorItem>) -> Option<CallBackBody> {
    let error = read_text(body, CALL_BACK, "error", errors);
    let retry = read_or(
        body,
        "retry",
        Value::as_bool,
        "Input should be a valid boolean",
        errors,
    );
    let is_delay = |after: &f64| (0.0..=LONGEST_DELAY).contains(after);
    let after = |value: &Value| value.as_f64().filter(is_delay);
    let msg = "Input should be a number of seconds, from 0 to 2592000";
    let after = read_or(body, "after", after, msg, errors);
    let code = |value: &Value| {
        value
            .as_str()
            .filter(|code| is_code(code))
            .map(str::to_owned)
    };
    let msg = "Input should be 1 to 64 letters, digits and _";
    let code = read_or(body, "code", code, msg, errors);
    Some(CallBackBody::Failed {
        error: error?,
        retry,
        after,
        code,
    })
}

fn progress(body: &Map<String, Value>, errors: &mut Vec<ErrorItem>) -> Option<CallBackBody> {
    if !is_there(body, "percent") && !is_there(body, "note") {
        let msg = "Input should have a result, an error, or a percent and a note";
        errors.push(ErrorItem::new(
            ErrorType::ValueError,
            &[CALL_BACK, "payload"],
            msg,
        ));
        return None;
    }
    let percent = read_or(
        body,
        "percent",
        Value::as_f64,
        "Input should be a valid number",
        errors,
    );
    let note = if is_there(body, "note") {
        read_text(body, CALL_BACK, "note", errors)
    } else {
        None
    };
    Some(CallBackBody::Progress {
        percent: percent.map(|percent| percent.clamp(0.0, 100.0)),
        note,
    })
}

fn is_there(body: &Map<String, Value>, field: &str) -> bool {
    body.get(field).is_some_and(|value| !value.is_null())
}

/// A field that may be absent, or null.
fn read_or<T>(
    body: &Map<String, Value>,
    field: &str,
    read: impl Fn(&Value) -> Option<T>,
    msg: &str,
    errors: &mut Vec<ErrorItem>,
) -> Option<T> {
    let value = body.get(field).filter(|value| !value.is_null())?;
    let read = read(value);
    if read.is_none() {
        let loc = [CALL_BACK, "payload", field];
        errors.push(ErrorItem::new(ErrorType::ValueError, &loc, msg));
    }
    read
}

fn is_code(code: &str) -> bool {
    let is_in_it = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=LONGEST_CODE).contains(&code.len()) && code.chars().all(is_in_it)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Result<CallBackBody, Vec<ErrorItem>> {
        parse_call_back(body.to_string().as_bytes())
    }

    #[test]
    fn a_body_has_a_result_or_an_error_or_a_progress() {
        let done = |result| CallBackBody::Done { result };
        assert_eq!(parsed(&json!({"result": null})), Ok(done(Value::Null)));
        assert_eq!(
            parsed(&json!({"result": [1], "error": "b"})),
            Ok(done(json!([1])))
        );
        let failed = CallBackBody::Failed {
            error: "no".to_owned(),
            retry: Some(false),
            after: None,
            code: Some("a_1".to_owned()),
        };
        let body =
            json!({"result_": 1, "error": "no", "retry": false, "after": null, "code": "a_1"});
        assert_eq!(parsed(&body), Ok(failed));
        let progress = CallBackBody::Progress {
            percent: Some(100.0),
            note: None,
        };
        assert_eq!(parsed(&json!({"percent": 250})), Ok(progress));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_with_its_place() {
        for (body, loc) in [
            (json!({}), &["body"][..]),
            (json!({"error": null}), &["body"]),
            (json!({"error": 5}), &["body", "error"]),
            (json!({"error": "a\u{0}"}), &["body", "error"]),
            (json!({"error": "a", "retry": "no"}), &["body", "retry"]),
            (json!({"error": "a", "after": -1}), &["body", "after"]),
            (json!({"error": "a", "code": "a b"}), &["body", "code"]),
            (json!({"percent": "half"}), &["body", "percent"]),
            (json!({"note": 5}), &["body", "note"]),
            (json!([]), &["body"]),
        ] {
            let errors = parsed(&body).unwrap_err();
            assert_eq!(
                (errors.len(), &*errors[0].loc),
                (
                    1,
                    loc.iter()
                        .map(|part| (*part).to_owned())
                        .collect::<Vec<_>>()
                        .as_slice()
                ),
                "{body}"
            );
        }
    }
}
