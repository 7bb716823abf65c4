//! How a socket ends: the close that we send, and the answer to the client's.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt, StreamExt};

use crate::telemetry::FIGURES;
use crate::wire::Close;

/// How long a client may take to answer a close.
const LIMIT: Duration = Duration::from_secs(2);

/// Why we close a socket that could not be read; nothing, when the client has gone.
///
/// The library's error is not public; its words are.
pub(super) fn after(error: &axum::Error) -> Option<Close> {
    let words = error.to_string();
    if words.contains("too long") {
        Some(Close::FrameTooLarge)
    } else if words.contains("UTF-8") {
        Some(Close::NotText)
    } else if words.contains("protocol error") && !words.contains("closing handshake") {
        Some(Close::NotAFrame)
    } else {
        None
    }
}

/// Closes a socket and waits until the client has answered: a connection cut earlier may lose what was written before.
pub(super) async fn say(mut socket: WebSocket, why: Close) {
    FIGURES.closed(why.slug());
    let reason = Utf8Bytes::from_static(why.reason());
    let code = why.code();
    let goodbye = async {
        socket
            .send(Message::Close(Some(CloseFrame { code, reason })))
            .await?;
        while let Some(Ok(_)) = socket.next().await {}
        Ok::<(), axum::Error>(())
    };
    // A client that does not answer in time loses nothing that it had a right to.
    let _ = tokio::time::timeout(LIMIT, goodbye).await;
}

/// Answers the client's close. The library makes the answer, but writes it only when something else is written, or here;
/// a client that is not answered takes its close for a broken connection.
pub(super) async fn answer(mut socket: WebSocket) {
    let _ = tokio::time::timeout(LIMIT, socket.flush()).await;
}
