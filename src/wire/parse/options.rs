//! What a submission may say beside its task and its content: when, how urgently, how often, under which limit.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::{ATTEMPTS_LIMIT, DELAY_LIMIT, ErrorItem, ErrorType, TaskPayload};
use super::fields::read_key;
use crate::telemetry::Traceparent;

/// The options, in a payload that has nothing else yet. They are read in the order of declaration.
pub(super) fn read_options(
    payload: &Map<String, Value>,
    errors: &mut Vec<ErrorItem>,
) -> TaskPayload {
    let options = TaskPayload {
        delay: read(payload, "delay", delay, errors),
        run_at: read(payload, "run_at", run_at, errors),
        priority: read(payload, "priority", priority, errors),
        max_attempts: read(payload, "max_attempts", max_attempts, errors),
        concurrency_key: read_key(payload, "concurrency_key", errors),
        stream: read(payload, "stream", stream, errors),
        traceparent: read(payload, "traceparent", traceparent, errors),
        ..TaskPayload::default()
    };
    if options.delay.is_some() && options.run_at.is_some() {
        errors.push(at(
            "run_at",
            wrong(
                ErrorType::ValueError,
                "Value error, give either delay or run_at",
            ),
        ));
    }
    options
}

/// What is wrong with a value.
pub type Wrong = (ErrorType, String);

fn wrong(kind: ErrorType, msg: impl Into<String>) -> Wrong {
    (kind, msg.into())
}

fn at(field: &str, (kind, msg): Wrong) -> ErrorItem {
    ErrorItem::new(kind, &["system_message", "payload", field], msg)
}

/// Reads a field that may be absent, or null.
fn read<T>(
    payload: &Map<String, Value>,
    field: &str,
    value: fn(&Value) -> Result<T, Wrong>,
    errors: &mut Vec<ErrorItem>,
) -> Option<T> {
    let given = payload.get(field).filter(|given| !given.is_null())?;
    value(given)
        .map_err(|wrong| errors.push(at(field, wrong)))
        .ok()
}

pub(super) fn delay(given: &Value) -> Result<f64, Wrong> {
    let seconds = given
        .as_f64()
        .ok_or_else(|| wrong(ErrorType::FloatType, "Input should be a valid number"))?;
    in_range(seconds, 0.0, DELAY_LIMIT.as_secs_f64())
}

fn run_at(given: &Value) -> Result<Timestamp, Wrong> {
    let invalid = |reason: &str| {
        let msg = format!("Input should be a valid datetime, {reason}");
        wrong(ErrorType::DatetimeParsing, msg)
    };
    let text = given
        .as_str()
        .ok_or_else(|| invalid("as RFC 3339 has it: 2026-01-31T12:00:00Z"))?;
    let time: Timestamp = text
        .parse()
        .map_err(|error: jiff::Error| invalid(&error.to_string()))?;
    let until = Duration::try_from(time.duration_since(Timestamp::now()));
    if until.is_ok_and(|until| until > DELAY_LIMIT) {
        let msg = "Input should be a time within ten years";
        return Err(wrong(ErrorType::LessThanEqual, msg));
    }
    Ok(time)
}

fn priority(given: &Value) -> Result<i16, Wrong> {
    let priority = whole(given)?;
    let priority = in_range(priority, i16::MIN.into(), i16::MAX.into())?;
    Ok(i16::try_from(priority).expect("it is in the range of its type"))
}

fn max_attempts(given: &Value) -> Result<i32, Wrong> {
    let attempts = in_range(whole(given)?, 1, ATTEMPTS_LIMIT.into())?;
    Ok(i32::try_from(attempts).expect("it is in the range of its type"))
}

fn stream(given: &Value) -> Result<bool, Wrong> {
    let msg = "Input should be a valid boolean";
    given
        .as_bool()
        .ok_or_else(|| wrong(ErrorType::BoolType, msg))
}

fn traceparent(given: &Value) -> Result<Traceparent, Wrong> {
    let text = given
        .as_str()
        .ok_or_else(|| wrong(ErrorType::StringType, "Input should be a valid string"))?;
    Traceparent::parse(text).ok_or_else(|| {
        let msg = "Value error, should be a traceparent of W3C Trace Context: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        wrong(ErrorType::ValueError, msg)
    })
}

fn whole(given: &Value) -> Result<i64, Wrong> {
    let msg = "Input should be a valid integer";
    given.as_i64().ok_or_else(|| wrong(ErrorType::IntType, msg))
}

/// A number, if it is in its range.
///
/// # Errors
/// What it should be, where it is not.
pub fn in_range<T: Copy + PartialOrd + std::fmt::Display>(
    given: T,
    smallest: T,
    largest: T,
) -> Result<T, Wrong> {
    if given < smallest {
        let msg = format!("Input should be greater than or equal to {smallest}");
        return Err(wrong(ErrorType::GreaterThanEqual, msg));
    }
    if given > largest {
        let msg = format!("Input should be less than or equal to {largest}");
        return Err(wrong(ErrorType::LessThanEqual, msg));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{ClientMessage, parse};
    use super::*;

    fn payload(options: &Value) -> Result<TaskPayload, Vec<ErrorItem>> {
        let mut payload = json!({"task_type": "a", "content": "x"});
        let fields = payload.as_object_mut().unwrap();
        fields.extend(options.as_object().unwrap().clone());
        let text = json!({"action": "system_message", "payload": payload}).to_string();
        match parse(&text).message? {
            ClientMessage::SystemMessage(payload) => Ok(payload),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_may_be_absent_or_null() {
        let nothing = json!({
            "delay": null, "run_at": null, "priority": null, "max_attempts": null, "concurrency_key": null, "stream": null,
            "traceparent": null,
        });
        assert_eq!(payload(&nothing), payload(&json!({})));
    }

    #[test]
    fn options_are_read_as_what_they_are() {
        let read = payload(&json!({
            "delay": 2, "priority": -3, "max_attempts": 1, "concurrency_key": "k", "stream": true,
        }));
        let read = read.unwrap();
        assert_eq!((read.delay, read.priority), (Some(2.0), Some(-3)));
        assert_eq!((read.max_attempts, read.stream), (Some(1), Some(true)));
        assert_eq!(read.concurrency_key.as_deref(), Some("k"));
        let times = ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00.000+01:00"];
        let [utc, elsewhere] = times.map(|time| payload(&json!({ "run_at": time })).unwrap());
        assert_eq!(utc.run_at, elsewhere.run_at);
    }

    #[test]
    fn a_time_that_has_passed_is_a_time() {
        let read = payload(&json!({"run_at": "1905-01-31T12:00:00Z"}));
        assert!(read.unwrap().run_at.unwrap() < Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn what_is_wrong_with_an_option_says_what_it_should_be() {
        use ErrorType::{
            BoolType, DatetimeParsing, FloatType, GreaterThanEqual, IntType, LessThanEqual,
            StringType, TooLarge, ValueError,
        };
        let cases = [
            (json!({"delay": "2"}), "delay", FloatType),
            (json!({"delay": -0.5}), "delay", GreaterThanEqual),
            (json!({"delay": 1e18}), "delay", LessThanEqual),
            (json!({"run_at": 5}), "run_at", DatetimeParsing),
            (json!({"run_at": "tomorrow"}), "run_at", DatetimeParsing),
            (
                json!({"run_at": "2026-01-31T12:00:00"}),
                "run_at",
                DatetimeParsing,
            ),
            (
                json!({"run_at": "9000-01-01T00:00:00Z"}),
                "run_at",
                LessThanEqual,
            ),
            (json!({"priority": 1.5}), "priority", IntType),
            (json!({"priority": 40_000}), "priority", LessThanEqual),
            (json!({"max_attempts": 0}), "max_attempts", GreaterThanEqual),
            (json!({"max_attempts": 1001}), "max_attempts", LessThanEqual),
            (
                json!({"concurrency_key": ""}),
                "concurrency_key",
                StringType,
            ),
            (
                json!({"concurrency_key": "é".repeat(128)}),
                "concurrency_key",
                TooLarge,
            ),
            (json!({"stream": "yes"}), "stream", BoolType),
            (json!({"traceparent": 5}), "traceparent", StringType),
            (
                json!({"traceparent": "00-1-2-3"}),
                "traceparent",
                ValueError,
            ),
            (
                json!({"delay": 1, "run_at": "2026-01-31T12:00:00Z"}),
                "run_at",
                ValueError,
            ),
        ];
        for (options, field, kind) in cases {
            let errors = payload(&options).expect_err(&options.to_string());
            assert_eq!(errors.len(), 1, "{options}");
            assert_eq!(errors[0].kind, kind, "{options}");
            assert_eq!(errors[0].loc[2], field, "{options}");
        }
    }
}
