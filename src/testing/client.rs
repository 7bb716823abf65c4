//! A client on a socket, as a test needs it.

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::PATIENCE;
use crate::wire::SOCKET_PATH;

/// A client on a socket.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let url = format!("ws://{address}{SOCKET_PATH}");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(Self { socket })
    }

    /// Asks for a job, and hears of it while it runs; answers its id.
    ///
    /// # Errors
    /// When it is refused: the error has what the server says.
    pub async fn submit(&mut self, task: &str, input: impl Into<Value>) -> anyhow::Result<String> {
        let payload = json!({"task_type": task, "input": input.into(), "stream": true});
        self.send(&json!({"action": "system_message", "payload": payload}))
            .await?;
        let answer = self.next().await?;
        ensure!(answer["action"] == "job_queued", "it is refused: {answer}");
        let id = answer["job_id"].as_str();
        Ok(id.context("a queued job has an id")?.to_owned())
    }

    /// Sends a message, whatever it is.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        let frame = Message::text(message.to_string());
        self.socket.send(frame).await.context("could not send")
    }

    /// The next message.
    ///
    /// # Errors
    /// When none comes within 30 seconds, or the socket is closed.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await;
            match frame.context("no message came")? {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(frame))) => bail!("the socket was closed: {frame:?}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("the socket was lost"),
                None => bail!("the socket has ended"),
            }
        }
    }
}
