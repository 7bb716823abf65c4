//! What a client is told of a job that is over.

use serde_json::Value;

use crate::queue::Outcome;
use crate::wire::{Frame, cancelled_message, failed_message, result_message};

/// The message that says how a job ended.
pub(super) fn frame_of(outcome: Outcome) -> Frame {
    match (outcome.state.as_str(), outcome.result) {
        ("succeeded", Some(result)) => {
            // What we cannot read (nested too deeply, for example) can still be shown.
            let result = serde_json::from_str(&result).unwrap_or(Value::String(result));
            result_message(outcome.id, result, outcome.attempt)
        }
        ("cancelled", _) => cancelled_message(outcome.id, outcome.attempt),
        _ => failed_message(
            outcome.id,
            outcome.error_code.unwrap_or_else(|| "unknown".to_owned()),
            outcome.error.unwrap_or_else(|| "the job failed".to_owned()),
            outcome.attempt,
        ),
    }
}
