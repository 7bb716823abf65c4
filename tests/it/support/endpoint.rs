//! A server of functions, which answers as a test wants it, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A server on this machine.
pub(crate) struct Endpoint {
    /// Its host and port.
    pub(crate) address: String,
    heard: Arc<Heard>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Heard {
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    /// How many connections were closed by the other side while they were waited with.
    hung_up: AtomicUsize,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What is answered, and what comes then.
#[derive(Clone)]
pub(crate) struct Reply {
    parts: Vec<String>,
    /// Waited for before each part but the first.
    gate: Option<Arc<Notify>>,
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Another request on the same connection.
    Next,
    Close,
    /// Nothing, until the other side closes.
    Hang,
}

impl Reply {
    /// A status, headers (each with its end) and a body.
    pub(crate) fn new(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::raw(&[&format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )])
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(
            "200 OK",
            "content-type: application/json\r\n",
            &value.to_string(),
        )
    }

    /// Just so.
    pub(crate) fn raw(parts: &[&str]) -> Self {
        Self {
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            gate: None,
            then: Then::Next,
        }
    }

    /// A stream of events, which ends with the connection.
    pub(crate) fn events(parts: &[&str]) -> Self {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self {
            then: Then::Close,
            ..Self::raw(&[&[head], parts].concat())
        }
    }

    /// The same, which goes on only when it is let.
    pub(crate) fn gated(mut self, gate: &Arc<Notify>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }

    /// No word, until the other side closes.
    pub(crate) fn silence() -> Self {
        Self {
            then: Then::Hang,
            ..Self::raw(&[])
        }
    }

    /// No content.
    pub(crate) fn nothing() -> Self {
        Self::raw(&["HTTP/1.1 204 No Content\r\n\r\n"])
    }

    /// The same after what it says.
    pub(crate) fn then_silence(mut self) -> Self {
        self.then = Then::Hang;
        self
    }

    /// Closes without a word.
    pub(crate) fn close() -> Self {
        Self {
            then: Then::Close,
            ..Self::raw(&[])
        }
    }
}

impl Endpoint {
    /// One that answers the requests, counted from 0, with what `reply` says.
    pub(crate) async fn new(
        reply: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Heard::default());
        let reply = Arc::new(reply);
        let mut serving = JoinSet::new();
        let ours = Arc::clone(&heard);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                ours.connections.fetch_add(1, Ordering::Relaxed);
                let (heard, reply) = (Arc::clone(&ours), Arc::clone(&reply));
                connections.spawn(async move { serve(stream, &heard, &*reply).await });
            }
        });
        Self {
            address,
            heard,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.heard.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.heard.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn hung_up(&self) -> usize {
        self.heard.hung_up.load(Ordering::Relaxed)
    }
}

async fn serve(
    stream: TcpStream,
    heard: &Heard,
    reply: &(impl Fn(usize, &Asked) -> Reply + ?Sized),
) {
    let (mut read, mut write) = stream.into_split();
    while let Some(asked) = request(&mut read).await {
        let reply = {
            let mut all = heard.asked.lock().unwrap();
            let number = all.len();
            all.push(asked.clone());
            drop(all);
            reply(number, &asked)
        };
        for (number, part) in reply.parts.iter().enumerate() {
            if number > 0
                && let Some(gate) = &reply.gate
            {
                gate.notified().await;
            }
            if write.write_all(part.as_bytes()).await.is_err() {
                return;
            }
        }
        match reply.then {
            Then::Next => {}
            Then::Close => return,
            Then::Hang => {
                let mut nothing = [0];
                let _ = read.read(&mut nothing).await;
                heard.hung_up.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

async fn request(stream: &mut OwnedReadHalf) -> Option<Asked> {
    let mut text = Vec::new();
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(text[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.get("content-length");
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let body = &text[end + 4..];
            if body.len() >= length {
                let body = String::from_utf8(body[..length].to_vec()).unwrap();
                return Some(Asked {
                    method,
                    path,
                    headers,
                    body,
                });
            }
        }
        let mut part = vec![0; 16_384];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => text.extend_from_slice(&part[..length]),
        }
    }
}
