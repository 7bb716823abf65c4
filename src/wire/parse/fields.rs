//! The fields of a message: each is read, or what is wrong with it is noted.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::{ACK_LIMIT, ErrorItem, ErrorType, HAVE_LIMIT, KEY_LIMIT, REF_LIMIT};
use crate::ids::JobId;

pub(super) fn read_text(
    payload: &Map<String, Value>,
    action: &str,
    field: &str,
    errors: &mut Vec<ErrorItem>,
) -> Option<String> {
    let loc = [action, "payload", field];
    let error = match payload.get(field) {
        None => ErrorItem::new(ErrorType::Missing, &loc, "Field required"),
        // Postgres cannot store it, so it is refused here, rather than accepted and lost.
        Some(Value::String(text)) if text.contains('\0') => ErrorItem::new(
            ErrorType::StringType,
            &loc,
            "Input should be a valid string without NUL characters",
        ),
        Some(Value::String(text)) => return Some(text.clone()),
        Some(_) => ErrorItem::new(
            ErrorType::StringType,
            &loc,
            "Input should be a valid string",
        ),
    };
    errors.push(error);
    None
}

/// A short text of the client's choice, if there is one.
pub(super) fn read_key(
    payload: &Map<String, Value>,
    field: &str,
    errors: &mut Vec<ErrorItem>,
) -> Option<String> {
    if payload.get(field).is_none_or(Value::is_null) {
        return None;
    }
    let key = read_text(payload, "system_message", field, errors)?;
    let loc = ["system_message", "payload", field];
    let error = match key.len() {
        0 => ErrorItem::new(
            ErrorType::StringType,
            &loc,
            "Input should be a string that is not empty",
        ),
        1..=KEY_LIMIT => return Some(key),
        bytes => ErrorItem::new(
            ErrorType::TooLarge,
            &loc,
            format!("The {field} has {bytes} bytes; at most {KEY_LIMIT} are allowed"),
        ),
    };
    errors.push(error);
    None
}

/// The job of a `cancel_job` or a `retry_job`.
pub(super) fn read_job(
    payload: &Map<String, Value>,
    action: &str,
    errors: &mut Vec<ErrorItem>,
) -> Option<JobId> {
    let text = read_text(payload, action, "job_id", errors)?;
    let id = Uuid::parse_str(&text).map_err(|error| {
        let msg = format!("Input should be a valid UUID, {error}");
        let loc = [action, "payload", "job_id"];
        errors.push(ErrorItem::new(ErrorType::UuidParsing, &loc, msg));
    });
    id.ok().map(JobId)
}

/// What a client that comes back has of the texts of its jobs: where it is in each.
pub(super) fn read_have(
    payload: &Map<String, Value>,
    errors: &mut Vec<ErrorItem>,
) -> Option<BTreeMap<String, (i32, i32)>> {
    let mut have = BTreeMap::new();
    let loc = ["resume", "payload", "have"];
    match payload.get("have") {
        None | Some(Value::Null) => return None,
        Some(Value::Object(given)) if given.len() > HAVE_LIMIT => {
            let msg = format!(
                "There are {} jobs; at most {HAVE_LIMIT} are allowed",
                given.len()
            );
            errors.push(ErrorItem::new(ErrorType::TooLarge, &loc, msg));
        }
        Some(Value::Object(given)) => {
            for (job, place) in given {
                match serde_json::from_value(place.clone()) {
                    Ok((attempt @ 0.., seq @ 0..)) => {
                        have.insert(job.clone(), (attempt, seq));
                    }
                    Ok(_) | Err(_) => errors.push(ErrorItem::new(
                        ErrorType::ListType,
                        &[loc[0], loc[1], loc[2], job],
                        "Input should be a valid list of an attempt and a number",
                    )),
                }
            }
        }
        Some(_) => errors.push(ErrorItem::new(
            ErrorType::ModelType,
            &loc,
            "Input should be a valid dictionary",
        )),
    }
    Some(have)
}

pub(super) fn check_reference(
    frame: &Map<String, Value>,
    action: &str,
    errors: &mut Vec<ErrorItem>,
) {
    let loc = [action, "ref"];
    match frame.get("ref") {
        None | Some(Value::Null) => {}
        Some(Value::String(mark)) if mark.len() <= REF_LIMIT => {}
        Some(Value::String(mark)) => {
            let msg = format!(
                "The ref has {} bytes; at most {REF_LIMIT} are allowed",
                mark.len()
            );
            errors.push(ErrorItem::new(ErrorType::TooLarge, &loc, msg));
        }
        Some(_) => errors.push(ErrorItem::new(
            ErrorType::StringType,
            &loc,
            "Input should be a valid string",
        )),
    }
}

/// The ids of an `ack`.
pub(super) fn read_ids(
    payload: &Map<String, Value>,
    errors: &mut Vec<ErrorItem>,
) -> Option<Vec<String>> {
    let loc = ["ack", "payload", "ids"];
    let ids = match payload.get("ids") {
        None => {
            errors.push(ErrorItem::new(ErrorType::Missing, &loc, "Field required"));
            return None;
        }
        Some(Value::Array(ids)) if ids.len() <= ACK_LIMIT => ids,
        Some(Value::Array(ids)) => {
            let msg = format!(
                "There are {} ids; at most {ACK_LIMIT} are allowed",
                ids.len()
            );
            errors.push(ErrorItem::new(ErrorType::TooLarge, &loc, msg));
            return None;
        }
        Some(_) => {
            let msg = "Input should be a valid list";
            errors.push(ErrorItem::new(ErrorType::ListType, &loc, msg));
            return None;
        }
    };
    let mut read = Vec::with_capacity(ids.len());
    for (position, id) in ids.iter().enumerate() {
        match id {
            Value::String(id) => read.push(id.clone()),
            _ => errors.push(ErrorItem::new(
                ErrorType::StringType,
                &["ack", "payload", "ids", &position.to_string()],
                "Input should be a valid string",
            )),
        }
    }
    Some(read)
}
