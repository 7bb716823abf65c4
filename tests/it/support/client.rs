//! A client: one socket, and a method for each thing a user does.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use super::{PATIENCE, Program};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message(pub(crate) Value);

impl Client {
    pub(crate) async fn connect(gateway: &Program) -> Self {
        Self::connect_to(&gateway.address()).await
    }

    pub(crate) async fn connect_to(address: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}/ws/system/"))
            .await
            .expect("the socket should open");
        Self { socket }
    }

    /// Of whoever has this token.
    pub(crate) async fn with_token(gateway: &Program, token: &str) -> Self {
        let value = format!("Bearer {token}");
        let opened = Self::open(gateway, "authorization", &value).await;
        opened.expect("the socket should open")
    }

    /// Of whoever has this ticket; or the status of the answer.
    pub(crate) async fn with_ticket(gateway: &Program, ticket: &str) -> Result<Self, u16> {
        let protocols = format!("ringback, ringback.ticket.{ticket}");
        Self::open(gateway, "sec-websocket-protocol", &protocols).await
    }

    /// Opens a socket with a header; or gives the status of the answer.
    pub(crate) async fn open(gateway: &Program, name: &str, value: &str) -> Result<Self, u16> {
        Self::open_with(gateway, &[(name, value)]).await
    }

    /// The same with many.
    pub(crate) async fn open_with(
        gateway: &Program,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let request = request(&gateway.address(), headers);
        opened(connect_async(request).await)
    }

    /// The same at any address and port, from one of this machine's addresses.
    pub(crate) async fn open_from(
        here: Ipv4Addr,
        address: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((here, 0).into()).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await;
        let stream = MaybeTlsStream::Plain(stream.expect("somebody should listen"));
        opened(client_async(request(address, headers), stream).await)
    }

    /// Sends, unless the socket has been closed; answers whether it could.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        self.socket.send(Frame::text(text)).await.is_ok()
    }

    /// Bytes that are no frame.
    pub(crate) async fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.socket.get_mut().write_all(bytes).await.is_ok()
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Frame::text(text.into())).await.unwrap();
    }

    pub(crate) async fn send(&mut self, value: Value) {
        self.send_text(value.to_string()).await;
    }

    /// Asks for a job; its answers are still to come.
    pub(crate) async fn ask(&mut self, task_type: &str, content: &str) {
        let payload = json!({"task_type": task_type, "content": content});
        self.send(json!({"action": "system_message", "payload": payload}))
            .await;
    }

    /// Asks for a job and waits until it is queued; gives its id.
    pub(crate) async fn submit(&mut self, task_type: &str, content: &str) -> String {
        self.ask(task_type, content).await;
        let answer = self.next().await;
        assert_eq!(answer.action(), "job_queued", "{answer:?}");
        answer.job_id()
    }

    /// The same with options beside the task and an empty content.
    pub(crate) async fn submit_with(&mut self, task_type: &str, options: Value) -> String {
        let mut payload = json!({"task_type": task_type, "content": ""});
        let fields = payload.as_object_mut().unwrap();
        fields.extend(options.as_object().unwrap().clone());
        self.send(json!({"action": "system_message", "payload": payload}))
            .await;
        let answer = self.next().await;
        assert_eq!(answer.action(), "job_queued", "{answer:?}");
        answer.job_id()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Message {
        self.next_within(PATIENCE).await
    }

    pub(crate) async fn next_within(&mut self, patience: Duration) -> Message {
        // For the message as a whole: the server's pings must not renew it.
        let give_up = Instant::now() + patience;
        loop {
            let frame = tokio::time::timeout_at(give_up, self.socket.next())
                .await
                .expect("a message should have come");
            match frame
                .expect("the socket should be open")
                .expect("the socket should work")
            {
                Frame::Text(text) => return Message(serde_json::from_str(&text).unwrap()),
                Frame::Ping(_) | Frame::Pong(_) => {}
                other => panic!("an unexpected frame: {other:?}"),
            }
        }
    }

    /// Lets a time pass in which no message is expected; the server's pings are answered meanwhile.
    pub(crate) async fn listen_for(&mut self, time: Duration) {
        let next = tokio::time::timeout(time, self.next_within(time * 2)).await;
        assert!(next.is_err(), "an unexpected message: {next:?}");
    }

    /// Waits for the server's close.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let frame = tokio::time::timeout_at(give_up, self.socket.next())
                .await
                .expect("a close should have come");
            match frame {
                Some(Ok(Frame::Close(close))) => return close,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Makes sure that nothing is on its way: what came before the answer to a ping would have come before it.
    pub(crate) async fn expect_silence(&mut self) {
        self.send(json!({"action": "ping", "ref": "silence"})).await;
        let message = self.next().await;
        assert_eq!(
            message.0,
            json!({"action": "pong", "payload": null, "ref": "silence"})
        );
        assert!(self.socket.next().now_or_never().is_none());
    }
}

/// What opens a socket there.
fn request(address: &str, headers: &[(&str, &str)]) -> Request {
    let url = format!("ws://{address}/ws/system/");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).unwrap();
        let value = HeaderValue::try_from(*value).unwrap();
        request.headers_mut().insert(name, value);
    }
    request
}

fn opened<R>(
    answer: Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, R), Error>,
) -> Result<Client, u16> {
    match answer {
        Ok((socket, _)) => Ok(Client { socket }),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("the socket should open or be refused: {error}"),
    }
}

impl Message {
    pub(crate) fn action(&self) -> &str {
        self.0["action"].as_str().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        self.0["payload"].as_str().unwrap()
    }

    pub(crate) fn job_id(&self) -> String {
        self.0["job_id"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// Like `submit`, while results of earlier jobs may come; those are taken out of `expected`.
    pub(crate) async fn submit_amid_results(
        &mut self,
        task_type: &str,
        content: &str,
        expected: &mut std::collections::HashMap<String, String>,
    ) -> String {
        self.ask(task_type, content).await;
        loop {
            let message = self.next().await;
            if message.action() == "job_queued" {
                return message.job_id();
            }
            take(expected, &message);
        }
    }

    /// Waits for every expected result, by job id.
    pub(crate) async fn collect(
        &mut self,
        expected: &mut std::collections::HashMap<String, String>,
    ) {
        while !expected.is_empty() {
            let message = self.next().await;
            take(expected, &message);
        }
    }
}

fn take(expected: &mut std::collections::HashMap<String, String>, message: &Message) {
    assert_eq!(message.action(), "job_result", "{message:?}");
    let text = expected
        .remove(&message.job_id())
        .expect("a result that was asked for, and comes once");
    assert_eq!(message.text(), text);
}
