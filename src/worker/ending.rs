//! How a job ends, within bounds: what is recorded goes to the database, to the gateway and to every client that asked.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::queue::Ending;
use crate::task::{FollowUp, shortened};

/// At most so many bytes of JSON for one character of a text: `\u0000`.
const ESCAPED: usize = 6;

/// The end of a job whose task gave `response`, of at most `limit` bytes as JSON, and asked for others.
pub(super) fn succeeded(response: &impl Serialize, limit: usize, then: Vec<FollowUp>) -> Ending {
    let result = match serde_json::to_value(response) {
        Ok(result) => result,
        Err(error) => {
            let error = format!("its result could not be written as JSON: {error}");
            return failed("outcome_unstorable", &error);
        }
    };
    if is_larger(&result, limit) {
        let error = format!(
            "its result is larger than {limit} bytes; store it elsewhere and give back where, or raise RINGBACK_MAX_RESULT"
        );
        return failed("result_too_large", &error);
    }
    Ending::Succeeded { result, then }
}

/// The end of a job that has failed for good.
pub(super) fn failed(code: &str, error: &str) -> Ending {
    Ending::Failed {
        code: code.to_owned(),
        error: shortened(error),
    }
}

fn is_larger(result: &Value, limit: usize) -> bool {
    match result {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) if text.len() < limit / ESCAPED => false,
        Value::String(_) | Value::Array(_) | Value::Object(_) => {
            let counting = serde_json::to_writer(Room(limit), result);
            counting.is_err()
        }
    }
}

/// Takes so many bytes, and no more.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_measured_as_it_is_stored() {
        for (result, bytes) in [
            (json!("x".repeat(10)), 12),
            (json!("\u{1}".repeat(10)), 62),
            (json!({"a": [1, 2, 3]}), 13),
        ] {
            let Ending::Succeeded { result: kept, .. } = succeeded(&result, bytes, Vec::new())
            else {
                panic!("{result} should fit into {bytes}");
            };
            assert_eq!(kept, result);
            let Ending::Failed { code, .. } = succeeded(&result, bytes - 1, Vec::new()) else {
                panic!("{result} should be too large for {}", bytes - 1);
            };
            assert_eq!(code, "result_too_large");
        }
    }
}
