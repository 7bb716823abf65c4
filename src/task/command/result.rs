//! What can be a result: what the database takes, and gives back as it was.

use serde_json::Value;

use super::super::TaskError;
use super::ended::invalid;

/// No whole number with fewer digits is too large.
const MANY_DIGITS: usize = 19;

/// A text, which loses one newline at its end.
pub(super) fn of_text(output: Vec<u8>) -> Result<Value, TaskError> {
    let Ok(mut text) = String::from_utf8(output) else {
        return Err(invalid(
            "its output is no text in UTF-8; write bytes to a file and print where, or encode them, such as with base64",
        ));
    };
    if text.ends_with('\n') {
        text.pop();
    }
    let text = Value::String(text);
    match has_nul(&text) {
        true => Err(with_nul()),
        false => Ok(text),
    }
}

/// JSON.
pub(super) fn of_json(output: &[u8]) -> Result<Value, TaskError> {
    let value = serde_json::from_slice(output)
        .map_err(|error| invalid(&format!("its output is no JSON: {error}")))?;
    check(&value, output)?;
    Ok(value)
}

/// Whether `value` can be one, which was read from `text`.
pub(super) fn check(value: &Value, text: &[u8]) -> Result<(), TaskError> {
    if has_nul(value) {
        return Err(with_nul());
    }
    match too_large(text) {
        Some(number) => Err(invalid(&format!(
            "the whole number {number} in its result has more than 64 bits and would be rounded; write it as a text"
        ))),
        None => Ok(()),
    }
}

fn with_nul() -> TaskError {
    invalid(
        "its result has a character NUL in it, which the database does not take; leave it out, or encode the result, such as with base64",
    )
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
    }
}

/// The first whole number of this JSON that is read as another: as the nearest that has a fraction.
fn too_large(json: &[u8]) -> Option<&str> {
    let mut rest = json;
    while let Some((first, more)) = rest.split_first() {
        match first {
            b'"' => rest = after_text(more),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let end = rest.iter().position(|byte| !is_part(byte));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                let number = std::str::from_utf8(number).expect("these are digits");
                let is_whole = !number.contains(['.', 'e', 'E']);
                let is_known = || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
                if is_whole && number.len() >= MANY_DIGITS && !is_known() {
                    return Some(number);
                }
                rest = after;
            }
            _ => rest = more,
        }
    }
    None
}

/// What follows a text of which the first quotation mark has been read.
fn after_text(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'"', more @ ..] => return more,
            [b'\\', _, more @ ..] | [_, more @ ..] => more,
            [] => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_loses_one_newline_at_its_end() {
        for (output, text) in [
            ("", ""),
            ("a", "a"),
            ("a\n", "a"),
            ("\na\n\n", "\na\n"),
            ("a\r\n", "a\r"),
        ] {
            assert_eq!(of_text(output.into()), Ok(json!(text)));
        }
    }

    #[test]
    fn what_is_no_result_is_never_tried_again() {
        assert_eq!(of_json(b" [1, null]\n"), Ok(json!([1, null])));
        for (result, words) in [
            (of_text(b"\xff".to_vec()), "UTF-8"),
            (of_text(b"a\0b".to_vec()), "NUL"),
            (of_json(b""), "no JSON"),
            (of_json(b"{} x"), "no JSON"),
            (of_json(br#"["a\u0000b"]"#), "NUL"),
            (of_json(br#"{"a": {"\u0000": 1}}"#), "NUL"),
            (
                of_json(b"[1, -9223372036854775809]"),
                "-9223372036854775809 in its result",
            ),
        ] {
            let error = result.unwrap_err();
            assert_eq!(
                (&*error.code, error.again),
                ("result_invalid", super::super::super::Again::Never)
            );
            assert!(error.message.contains(words), "{error}");
        }
    }

    #[test]
    fn only_whole_numbers_of_more_than_64_bits_are_too_large() {
        for json in [
            "18446744073709551615",
            "-9223372036854775808",
            "[123456789012345678901.5, 1e300]",
            r#"{"123456789012345678901": "a\"123456789012345678901\\"}"#,
        ] {
            assert_eq!(too_large(json.as_bytes()), None, "{json}");
        }
        for json in [
            "18446744073709551616",
            r#"{"a\\": 18446744073709551616}"#,
            r#"["\"", 18446744073709551616]"#,
        ] {
            assert_eq!(
                too_large(json.as_bytes()),
                Some("18446744073709551616"),
                "{json}"
            );
        }
    }
}
