//! One socket of a load: it does as little as a client can, so that the gateway is measured and not this.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use uuid::Uuid;

use crate::wire::SOCKET_PATH;

/// The library clears all of its read buffer before each read, so a large one costs more than everything else.
const READ_BUFFER: usize = 4 * 1024;

/// An open socket.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    patience: Duration,
    /// When something was last heard, or begun to be waited for.
    heard: Instant,
    /// Never later than the end of the patience. It is put off only when it goes off, since doing that for each message
    /// would cost more than reading it.
    timer: Pin<Box<Sleep>>,
}

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
    /// Opens one to the gateway that serves `address`, on which messages are waited for no longer than `patience`.
    pub(super) async fn open(address: &str, patience: Duration) -> anyhow::Result<Self> {
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
        Ok(Self {
            stream,
            patience,
            heard: Instant::now(),
            timer: Box::pin(sleep(patience)),
        })
    }

    /// Sends these messages together.
    pub(super) async fn send(
        &mut self,
        texts: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<()> {
        for text in texts {
            let message = Message::Text(text.into());
            self.stream.feed(message).await.context("could not send")?;
        }
        self.stream.flush().await.context("could not send")
    }

    /// Waits for a message, and answers it with all others that are there; with none, when nothing came for too long.
    pub(super) async fn hear(&mut self) -> anyhow::Result<Vec<Utf8Bytes>> {
        let mut texts = Vec::new();
        self.heard = Instant::now();
        poll_fn(|cx| {
            loop {
                match self.stream.poll_next_unpin(cx) {
                    Poll::Ready(frame) => texts.extend(text_of(frame)?),
                    Poll::Pending if texts.is_empty() => break,
                    Poll::Pending => return Poll::Ready(Ok(())),
                }
            }
            while self.timer.as_mut().poll(cx).is_ready() {
                let end = self.heard + self.patience;
                if end <= Instant::now() {
                    return Poll::Ready(Ok(()));
                }
                self.timer.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
        .map(|()| texts)
    }
}

/// The text of a frame, if it has one.
fn text_of(
    frame: Option<Result<Message, tungstenite::Error>>,
) -> anyhow::Result<Option<Utf8Bytes>> {
    match frame {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Close(frame))) => {
            let why = frame.map_or_else(String::new, |frame| frame.to_string());
            bail!("the gateway has closed a socket: {why}");
        }
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(error).context("a socket was lost"),
        None => bail!("the gateway has ended a socket"),
    }
}

/// What a message says.
pub(super) fn read(text: &str) -> anyhow::Result<Heard<'_>> {
    serde_json::from_str(text)
        .with_context(|| format!("the gateway said what is no message: {text}"))
}
