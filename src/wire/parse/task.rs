//! What to run: one task, or many.

use serde_json::{Map, Value};

use super::super::{BULK_LIMIT, ErrorItem, ErrorType, JobsPayload, TaskPayload};
use super::fields::{read_key, read_text};
use super::not_a;
use super::options::read_options;

/// What to run, with what is wrong with it.
pub(super) fn read_task(payload: &Value, errors: &mut Vec<ErrorItem>) -> Option<TaskPayload> {
    let Value::Object(payload) = payload else {
        errors.push(not_a("TaskPayload", "system_message"));
        return None;
    };
    let task_type = read_text(payload, "system_message", "task_type", errors);
    let input = payload.get("input").filter(|input| !input.is_null());
    let content = match input {
        None => read_text(payload, "system_message", "content", errors),
        Some(input) => {
            check_input(payload, input, errors);
            None
        }
    };
    let idempotency_key = read_key(payload, "idempotency_key", errors);
    let options = read_options(payload, errors);
    Some(TaskPayload {
        task_type: task_type?,
        content,
        input: input.cloned(),
        idempotency_key,
        ..options
    })
}

/// Any JSON, as long as it can be stored and there is no text beside it.
fn check_input(payload: &Map<String, Value>, input: &Value, errors: &mut Vec<ErrorItem>) {
    let loc = ["system_message", "payload", "input"];
    if payload
        .get("content")
        .is_some_and(|content| !content.is_null())
    {
        let msg = "Value error, give either content or input";
        errors.push(ErrorItem::new(ErrorType::ValueError, &loc, msg));
    }
    if !is_storable(input) {
        let msg = "Input should have no string with a NUL character";
        errors.push(ErrorItem::new(ErrorType::StringType, &loc, msg));
    }
}

/// Whether Postgres can store it, whose texts have no NUL.
fn is_storable(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.contains('\0'),
        Value::Array(values) => values.iter().all(is_storable),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| !name.contains('\0') && is_storable(value)),
    }
}

/// The jobs of a `submit_jobs`, if there is nothing wrong with any.
pub(super) fn read_jobs(
    payload: &Map<String, Value>,
    errors: &mut Vec<ErrorItem>,
) -> Option<JobsPayload> {
    let mut jobs = Vec::new();
    let loc = ["submit_jobs", "payload", "jobs"];
    match payload.get("jobs") {
        None => errors.push(ErrorItem::new(ErrorType::Missing, &loc, "Field required")),
        Some(Value::Array(given)) if given.is_empty() => {
            let msg = "There is no job; give at least one";
            errors.push(ErrorItem::new(ErrorType::ValueError, &loc, msg));
        }
        Some(Value::Array(given)) if given.len() > BULK_LIMIT => {
            let msg = format!(
                "There are {} jobs; at most {BULK_LIMIT} are allowed",
                given.len()
            );
            errors.push(ErrorItem::new(ErrorType::TooLarge, &loc, msg));
        }
        Some(Value::Array(given)) => {
            for (number, job) in given.iter().enumerate() {
                let mut wrong = Vec::new();
                jobs.extend(read_task(job, &mut wrong));
                errors.extend(wrong.into_iter().map(|error| error.of_job(number)));
            }
        }
        Some(_) => {
            let msg = "Input should be a valid list";
            errors.push(ErrorItem::new(ErrorType::ListType, &loc, msg));
        }
    }
    errors.is_empty().then_some(JobsPayload { jobs })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Result<TaskPayload, Value> {
        let mut errors = Vec::new();
        match read_task(payload, &mut errors) {
            Some(payload) if errors.is_empty() => Ok(payload),
            _ => Err(json!(errors)),
        }
    }

    #[test]
    fn a_job_works_on_a_text_or_on_any_json() {
        let text = read(&json!({"task_type": "a", "content": "x", "input": null})).unwrap();
        assert_eq!(text.to_input(), json!("x"));
        assert_eq!(text.to_text(), "x");
        for input in [json!([1, {"b": null}]), json!(false), json!(0), json!("x")] {
            let payload = read(&json!({"task_type": "a", "content": null, "input": input}));
            assert_eq!(payload.unwrap().to_input(), input);
        }
        let list = read(&json!({"task_type": "a", "input": [1, "b"]})).unwrap();
        assert_eq!(list.to_text(), r#"[1,"b"]"#);
    }

    #[test]
    fn neither_both_and_what_cannot_be_stored_are_refused() {
        for (payload, kind, field) in [
            (json!({"task_type": "a"}), "missing", "content"),
            (
                json!({"task_type": "a", "content": "x", "input": 1}),
                "value_error",
                "input",
            ),
            (
                json!({"task_type": "a", "input": {"b": ["\0"]}}),
                "string_type",
                "input",
            ),
            (
                json!({"task_type": "a", "input": {"\0": 1}}),
                "string_type",
                "input",
            ),
        ] {
            let errors = read(&payload).expect_err("this should be refused");
            assert_eq!(errors[0]["type"], kind, "{payload}");
            assert_eq!(errors[0]["loc"][2], field, "{payload}");
        }
    }
}
