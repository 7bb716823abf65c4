//! One socket of a load: it does as little as a client can, so that the gateway is measured and not this.

use std::borrow::Cow;

use anyhow::{Context, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use uuid::Uuid;

use crate::wire::SOCKET_PATH;

/// The library clears all of its read buffer before each read, so a large one costs more than everything else.
const READ_BUFFER: usize = 4 * 1024;

/// An open socket.
pub(super) struct Socket(WebSocketStream<TcpStream>);

/// What a load looks at in a message; the rest is passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Heard<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    #[serde(borrow, rename = "ref")]
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) job_id: Option<Uuid>,
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
}

impl Socket {
    /// Opens one to the gateway that serves `address`.
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| {
            format!("could not connect to {address}; is a gateway running there?")
        })?;
        stream
            .set_nodelay(true)
            .context("could not prepare a connection")?;
        let url = format!("ws://{address}{SOCKET_PATH}");
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let (stream, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config))
            .await
            .with_context(|| format!("{address} opened no socket"))?;
        Ok(Self(stream))
    }

    /// Sends these messages together.
    pub(super) async fn send(
        &mut self,
        texts: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<()> {
        for text in texts {
            let message = Message::Text(text.into());
            self.0.feed(message).await.context("could not send")?;
        }
        self.0.flush().await.context("could not send")
    }

    /// Waits for a message, and answers it with all others that are there.
    pub(super) async fn hear(&mut self) -> anyhow::Result<Vec<Utf8Bytes>> {
        let mut texts = Vec::new();
        let mut next = self.0.next().await;
        loop {
            match next {
                Some(Ok(Message::Text(text))) => texts.push(text),
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map_or_else(String::new, |frame| frame.to_string());
                    bail!("the gateway has closed a socket: {why}");
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("a socket was lost"),
                None => bail!("the gateway has ended a socket"),
            }
            next = match self.0.next().now_or_never() {
                Some(next) => next,
                None if texts.is_empty() => self.0.next().await,
                None => return Ok(texts),
            };
        }
    }
}

/// What a message says.
pub(super) fn read(text: &str) -> anyhow::Result<Heard<'_>> {
    serde_json::from_str(text)
        .with_context(|| format!("the gateway said what is no message: {text}"))
}
