//! Frames of the socket, and the bodies of HTTP.

use ringback::wire::{
    Frame, REF_LIMIT, Request, ServerMessage, parse, parse_cancel, parse_jobs, parse_notice,
    parse_retry, parse_task, reference_of,
};
use serde_json::{Value, json};

use crate::corpus;

#[test]
fn a_frame_is_a_message_that_can_be_said_again_or_an_error_that_can_be_told() {
    corpus::each("frames", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Request { message, reference } = parse(&text);
        assert!(
            reference
                .as_ref()
                .is_none_or(|mark| mark.len() <= REF_LIMIT)
        );
        if serde_json::from_str::<Value>(&text).is_ok_and(|frame| frame.is_object()) {
            assert_eq!(reference, reference_of(&text), "{text}");
        }
        match message {
            Ok(message) => {
                let again = parse(&json!(message).to_string()).message;
                assert_eq!(again, Ok(message), "{text}");
            }
            Err(errors) => {
                assert!(!errors.is_empty(), "{text}");
                let told = Frame::answering(ServerMessage::Error(errors), reference).encode();
                serde_json::from_str::<Value>(&told).unwrap();
            }
        }
    });
}

#[test]
fn a_body_is_read_or_refused_with_a_reason() {
    corpus::each("frames", |bytes| {
        assert!(
            parse_task(bytes)
                .err()
                .is_none_or(|errors| !errors.is_empty())
        );
        assert!(
            parse_jobs(bytes)
                .err()
                .is_none_or(|errors| !errors.is_empty())
        );
        assert!(
            parse_notice(bytes)
                .err()
                .is_none_or(|errors| !errors.is_empty())
        );
        assert!(
            parse_cancel(bytes)
                .err()
                .is_none_or(|errors| !errors.is_empty())
        );
        assert!(
            parse_retry(bytes)
                .err()
                .is_none_or(|errors| !errors.is_empty())
        );
    });
}
