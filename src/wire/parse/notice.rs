//! A notice that is to be sent.

use serde_json::Value;

use super::super::{ErrorItem, NewNotice};
use super::fields::read_text;
use super::options::delay;
use super::{in_the_body, not_a, read_json};

/// What stands for a message's action where there is no message.
const NOTICE: &str = "notice";

/// Reads the body of an HTTP request as a notice.
///
/// # Errors
/// What is wrong with it: one entry for each field, in the order of declaration.
pub fn parse_notice(body: &[u8]) -> Result<NewNotice, Vec<ErrorItem>> {
    let body = read_json(body)?;
    let Value::Object(body) = body else {
        return Err(in_the_body(NOTICE, vec![not_a("NewNotice", NOTICE)]));
    };
    let mut errors = Vec::new();
    let content = read_text(&body, NOTICE, "content", &mut errors);
    let ttl = body.get("ttl").filter(|ttl| !ttl.is_null());
    let ttl = ttl.and_then(|ttl| {
        let at_ttl = |(kind, msg)| ErrorItem::new(kind, &[NOTICE, "payload", "ttl"], msg);
        delay(ttl).map_err(|wrong| errors.push(at_ttl(wrong))).ok()
    });
    match content {
        Some(content) if errors.is_empty() => Ok(NewNotice { content, ttl }),
        _ => Err(in_the_body(NOTICE, errors)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
