//! Every way in which the server ends a socket, for people.

use serde_json::{Value, json};

use crate::wire::Close;

/// The table of the document.
pub(in crate::asyncapi) fn closes() -> Vec<Value> {
    let row = |close: &Close| {
        json!({
            "code": close.code(),
            "reason": close.reason(),
            "when": when(*close),
            "come_back": !close.reason().ends_with("do not come back"),
        })
    };
    Close::ALL.iter().map(row).collect()
}

fn when(close: Close) -> &'static str {
    match close {
        Close::Stopping => "The gateway is stopping. What was submitted has been answered.",
        Close::NotAFrame => "What came was no WebSocket frame.",
        Close::NotText => "A text frame was not UTF-8.",
        Close::FrameTooLarge => "A frame was more than 16 times as large as it may be.",
        Close::TooSlow => {
            "The client does not read: over 2 MiB of direct answers is waiting for it, or one write took over 30 seconds. Results and notices wait in the database meanwhile."
        }
        Close::Silent => {
            "Nothing was heard for 25 seconds, and a ping had no answer within 10 (both are settings). Anything counts as one."
        }
        Close::TokenOver => {
            "The token that the socket was opened with has ended, and no fresh ticket was given with `authenticate`. What runs goes on; a session can be resumed."
        }
        Close::TakenOver => "Another socket has resumed this one's session.",
    }
}
