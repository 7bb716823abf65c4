//! One client, and its book: what it has asked for, what it was told, what it was shown.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::World;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How many of its jobs a client waits for at once.
const IN_FLIGHT: usize = 10;

/// How long a socket is kept once the faults are over, so that a client also tries elsewhere.
const TURN: Duration = Duration::from_secs(10);

/// How long everything may take to arrive once the faults are over.
const SETTLING: Duration = Duration::from_secs(120);

/// What one client knows.
#[derive(Default)]
pub(crate) struct Book {
    session: Option<(String, String)>,
    /// By key: what was submitted and has no result yet.
    pub(crate) open: HashMap<String, Entry>,
    /// The keys of those that have one.
    pub(crate) done: HashSet<String>,
    /// The texts of the notices.
    pub(crate) notices: HashSet<String>,
    /// The ids of messages that were shown; a repeat is not.
    shown: HashSet<String>,
    to_acknowledge: Vec<String>,
    pub(crate) submitted: usize,
    pub(crate) repeats: usize,
    pub(crate) longest: Wait,
    /// With the message that it is about.
    pub(crate) complaints: Vec<(Complaint, String)>,
}

#[derive(Default)]
pub(crate) struct Entry {
    /// The job, once it was acknowledged, and since when.
    pub(crate) job: Option<String>,
    since: Option<Instant>,
    sent: bool,
}

/// From an acknowledgement to the result.
#[derive(Clone, Default, PartialEq, PartialOrd)]
pub(crate) struct Wait {
    took: Duration,
    /// Counted like the faults.
    from: Duration,
    key: String,
}

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    ShownTwice,
    Misrouted,
    SessionLost,
    Unexpected,
}

/// Submits, is cut off, comes back and acknowledges until the faults are over; then until everything is there.
pub(crate) async fn keep_book(client: u64, seed: u64, world: &World) -> Book {
    let mut chance = fastrand::Rng::with_seed(seed ^ (client + 1));
    let mut book = Book::default();
    let mut give_up: Option<Instant> = None;
    loop {
        let is_over = world.is_over.load(Ordering::Relaxed);
        if is_over && book.is_balanced(world) {
            return book;
        }
        if is_over && Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + SETTLING) {
            return book;
        }
        let address = {
            let addresses = world.addresses.lock().unwrap();
            addresses[chance.usize(0..addresses.len())].clone()
        };
        let url = format!("ws://{address}/ws/system/");
        let connecting = tokio::time::timeout(Duration::from_secs(2), connect_async(url));
        if let Ok(Ok((mut socket, _))) = connecting.await {
            match book.talk(&mut socket, client, &mut chance, world).await {
                // Half-open: nobody says goodbye, and nobody reads.
                Some(Parting::Forgotten) => world.forgotten.lock().unwrap().push(socket),
                Some(Parting::Polite) => drop(socket.close(None).await),
                // However it ends, the book is kept, and the client comes back.
                Some(Parting::Cut) | None => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(chance.u64(10..100))).await;
    }
}

/// How a client leaves a socket that works.
#[derive(Clone, Copy)]
enum Parting {
    Cut,
    Forgotten,
    Polite,
}

impl Book {
    fn is_balanced(&self, world: &World) -> bool {
        let announced = world.announced.lock().unwrap();
        let announced = announced.as_ref();
        self.open.is_empty()
            && announced.is_some_and(|all| all.iter().all(|text| self.notices.contains(text)))
    }

    /// One socket's life. Nothing is answered where the other side ends it.
    async fn talk(
        &mut self,
        socket: &mut Socket,
        client: u64,
        chance: &mut fastrand::Rng,
        world: &World,
    ) -> Option<Parting> {
        let secret = self.session.as_ref();
        let secret = secret.map(|(session, token)| json!({"session": session, "token": token}));
        say(socket, &json!({"action": "resume", "payload": secret})).await?;
        for entry in self.open.values_mut() {
            entry.sent = false;
        }
        let mut resumed = false;
        let began = Instant::now();
        loop {
            let is_over = world.is_over.load(Ordering::Relaxed);
            if is_over && (began.elapsed() > TURN || self.is_balanced(world)) {
                return Some(Parting::Polite);
            }
            if resumed {
                self.submit_some(socket, client, is_over).await?;
                if !self.to_acknowledge.is_empty() && chance.u32(0..4) == 0 {
                    let ids = std::mem::take(&mut self.to_acknowledge);
                    say(socket, &json!({"action": "ack", "payload": {"ids": ids}})).await?;
                }
                match chance.u32(0..2_000) {
                    0..3 => return Some(Parting::Cut),
                    3..5 => return Some(Parting::Forgotten),
                    5 => return Some(Parting::Polite),
                    // It is slow, and reads nothing.
                    6 => tokio::time::sleep(Duration::from_millis(chance.u64(500..4_000))).await,
                    _ => {}
                }
            }
            match tokio::time::timeout(Duration::from_millis(100), socket.next()).await {
                Ok(Some(Ok(Frame::Text(text)))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    resumed |= self.hear(&message, world)?;
                }
                Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) | Err(_) => {}
                Ok(_) => return None,
            }
        }
    }

    /// Asks for a new job, and again for those whose answer is missing.
    async fn submit_some(&mut self, socket: &mut Socket, client: u64, is_over: bool) -> Option<()> {
        if !is_over && self.open.len() < IN_FLIGHT {
            let key = format!("C{client}-{}", self.submitted);
            self.submitted += 1;
            self.open.insert(key, Entry::default());
        }
        for (key, entry) in &mut self.open {
            if entry.job.is_none() && !entry.sent {
                entry.sent = true;
                say(socket, &submission(key)).await?;
            }
        }
        Some(())
    }

    /// Notes a message; gives whether the session is there, or nothing where the client should try elsewhere.
    fn hear(&mut self, message: &Value, world: &World) -> Option<bool> {
        let payload = &message["payload"];
        match message["action"].as_str().unwrap() {
            "resumed" => {
                let text = |name: &str| payload[name].as_str().unwrap().to_owned();
                if self.session.is_some() && payload["recovered"] == json!(false) {
                    self.complain(Complaint::SessionLost, message);
                }
                if self.session.is_none() {
                    world.sessions.fetch_add(1, Ordering::Relaxed);
                }
                self.session = Some((text("session"), text("token")));
                return Some(true);
            }
            "job_queued" => self.queued(message),
            "job_result" => self.result(message, world),
            "system_notification" => {
                let text = payload.as_str().unwrap().to_owned();
                if self.is_new(message) && !self.notices.insert(text) {
                    self.complain(Complaint::ShownTwice, message);
                }
            }
            "error" => {
                let kind = payload[0]["type"].as_str().unwrap();
                let key = message["ref"].as_str();
                if let Some(entry) = key.and_then(|key| self.open.get_mut(key)) {
                    entry.sent = false;
                }
                if !["busy", "unavailable"].contains(&kind) {
                    self.complain(Complaint::Unexpected, message);
                }
                return None;
            }
            _ => self.complain(Complaint::Unexpected, message),
        }
        Some(false)
    }

    fn queued(&mut self, message: &Value) {
        let key = message["ref"].as_str().unwrap();
        let job = message["job_id"].as_str().unwrap();
        let Some(entry) = self.open.get_mut(key) else {
            return;
        };
        let before = entry.job.replace(job.to_owned());
        entry.since.get_or_insert_with(Instant::now);
        if before.is_some_and(|before| before != job) {
            self.complain(Complaint::ShownTwice, message);
        }
    }

    fn result(&mut self, message: &Value, world: &World) {
        if !self.is_new(message) {
            return;
        }
        let text = message["payload"].as_str().unwrap();
        let key = text.trim_start_matches("✅ Processed: ").to_owned();
        let Some(entry) = self.open.remove(&key) else {
            let complaint = if self.done.contains(&key) {
                Complaint::ShownTwice
            } else {
                Complaint::Misrouted
            };
            return self.complain(complaint, message);
        };
        if entry.job.is_some_and(|job| message["job_id"] != json!(job)) {
            self.complain(Complaint::Misrouted, message);
        }
        if let Some(since) = entry.since {
            let wait = Wait {
                took: since.elapsed(),
                from: since.duration_since(world.began),
                key: key.clone(),
            };
            if wait > self.longest {
                self.longest = wait;
            }
        }
        self.done.insert(key);
    }

    /// Whether a message is to be shown; in any case it is acknowledged.
    fn is_new(&mut self, message: &Value) -> bool {
        let id = message["id"].as_str().unwrap().to_owned();
        self.to_acknowledge.push(id.clone());
        let is_new = self.shown.insert(id);
        self.repeats += usize::from(!is_new);
        is_new
    }

    fn complain(&mut self, complaint: Complaint, message: &Value) {
        self.complaints.push((complaint, message.to_string()));
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { took, from, key } = self;
        write!(f, "{took:.1?} ({key}, acknowledged at {from:.1?})")
    }
}

fn submission(key: &str) -> Value {
    json!({
        "action": "system_message",
        "ref": key,
        "payload": {"task_type": "default", "content": key, "idempotency_key": key},
    })
}

async fn say(socket: &mut Socket, message: &Value) -> Option<()> {
    let sending = socket.send(Frame::text(message.to_string()));
    let sent = tokio::time::timeout(Duration::from_secs(5), sending).await;
    sent.ok()?.ok()
}
