//! Jobs there and back: many sockets, each with so many jobs under way, as fast as they come back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::socket::{Heard, Socket, read};
use super::{Latency, Progress, rate};

/// What is asked of the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// How many sockets.
    pub sockets: usize,
    /// How many jobs each has under way.
    pub in_flight: usize,
    /// How many jobs in all.
    pub jobs: usize,
    /// What they are.
    pub task: String,
    /// What they are about.
    pub content: String,
    /// Whether each socket has a session, each job a key, and each result is acknowledged.
    pub sessions: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// From the first submission to the last result.
    pub seconds: f64,
    /// How many results a second.
    pub jobs_per_second: f64,
    /// From a submission to its `job_queued`.
    pub queued: Latency,
    /// From a submission to its result.
    pub result: Latency,
    /// Acknowledged jobs without a result.
    pub lost: usize,
    /// Results that came again.
    pub duplicated: usize,
    /// Results on a socket that had not asked.
    pub misrouted: usize,
    /// Submissions that were refused.
    pub refused: usize,
    /// Results that were no success.
    pub failed: usize,
}

/// How long a socket waits for anything at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the load on the gateway that serves `address`.
///
/// # Errors
/// When a socket cannot be opened, or is lost.
pub async fn run(address: &str, load: &Load, progress: &Progress) -> anyhow::Result<Found> {
    let mut sockets = Vec::with_capacity(load.sockets);
    for number in 0..load.sockets {
        let mut socket = Socket::open(address).await?;
        if load.sessions {
            socket.send([json!({"action": "resume"}).to_string()]).await?;
            socket.hear().await?;
        }
        // The first ones have one more where it does not come out even.
        let jobs = load.jobs / load.sockets + usize::from(number < load.jobs % load.sockets);
        sockets.push(Asking::new(socket, jobs, load, progress));
    }
    let began = Instant::now();
    let mut running = JoinSet::new();
    for socket in sockets {
        running.spawn(socket.run());
    }
    let mut all = Seen::default();
    while let Some(seen) = running.join_next().await {
        all.add(seen.context("a socket of the load has panicked")??);
    }
    let took = all.last.map_or(Duration::ZERO, |last| last - began);
    Ok(Found {
        seconds: took.as_secs_f64(),
        jobs_per_second: rate(all.results.len(), took),
        queued: Latency::of(all.queued),
        result: Latency::of(all.results),
        lost: all.lost,
        duplicated: all.duplicated,
        misrouted: all.misrouted,
        refused: all.refused,
        failed: all.failed,
    })
}

/// What one socket has seen, or all of them.
#[derive(Default)]
struct Seen {
    queued: Vec<Duration>,
    results: Vec<Duration>,
    last: Option<Instant>,
    lost: usize,
    duplicated: usize,
    misrouted: usize,
    refused: usize,
    failed: usize,
}

impl Seen {
    fn add(&mut self, mut other: Self) {
        self.queued.append(&mut other.queued);
        self.results.append(&mut other.results);
        self.last = self.last.max(other.last);
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.misrouted += other.misrouted;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// One socket, and what it still has to ask.
struct Asking {
    socket: Socket,
    jobs: usize,
    in_flight: usize,
    /// What comes before the number of a submission in its text, and what after it.
    head: String,
    tail: String,
    /// What each session's keys begin with; nothing without sessions.
    keys: Option<String>,
    /// When each was sent, by its number.
    sent: Vec<Instant>,
    /// The numbers of those that are stored, and whether they are over.
    stored: HashMap<Uuid, (usize, bool)>,
    out: usize,
    progress: Progress,
    seen: Seen,
}

impl Asking {
    fn new(socket: Socket, jobs: usize, load: &Load, progress: &Progress) -> Self {
        let payload = json!({"task_type": load.task, "content": load.content});
        let keys = load.sessions.then(|| Uuid::new_v4().simple().to_string());
        let head = match &keys {
            // The payload is opened again for the key.
            Some(keys) => {
                let payload = payload.to_string();
                let payload = payload.trim_end_matches('}');
                format!(r#"{{"action":"system_message","payload":{payload},"idempotency_key":"{keys}-"#)
            }
            None => format!(r#"{{"action":"system_message","payload":{payload},"ref":""#),
        };
        let tail = if keys.is_some() { r#""},"ref":""# } else { r#""}"# };
        Self {
            socket,
            jobs,
            in_flight: load.in_flight,
            head,
            tail: tail.to_owned(),
            keys,
            sent: Vec::with_capacity(jobs),
            stored: HashMap::with_capacity(jobs),
            out: 0,
            progress: progress.clone(),
            seen: Seen::default(),
        }
    }

    async fn run(mut self) -> anyhow::Result<Seen> {
        let mut acks: Vec<String> = Vec::new();
        loop {
            let mut texts = Vec::new();
            if !acks.is_empty() {
                texts.push(json!({"action": "ack", "payload": {"ids": acks}}).to_string());
                acks.clear();
            }
            while self.out < self.in_flight && self.sent.len() < self.jobs {
                texts.push(self.submission(self.sent.len()));
                self.sent.push(Instant::now());
                self.out += 1;
            }
            if !texts.is_empty() {
                self.socket.send(texts).await?;
            }
            if self.out == 0 {
                break;
            }
            let Ok(heard) = tokio::time::timeout(PATIENCE, self.socket.hear()).await else {
                break;
            };
            let now = Instant::now();
            let before = self.out;
            for text in heard? {
                let heard = read(&text)?;
                if self.keys.is_some()
                    && let Some(id) = &heard.id
                {
                    acks.push(id.to_string());
                }
                self.hear(&heard, now);
            }
            self.progress.add(before - self.out);
        }
        self.seen.lost = self.stored.values().filter(|(_, over)| !over).count();
        Ok(self.seen)
    }

    fn submission(&self, number: usize) -> String {
        let Self { head, tail, .. } = self;
        if self.keys.is_some() {
            format!(r#"{head}{number}{tail}{number}"}}"#)
        } else {
            format!("{head}{number}{tail}")
        }
    }

    fn hear(&mut self, heard: &Heard<'_>, now: Instant) {
        let number = heard.reference.as_ref().and_then(|mark| mark.parse::<usize>().ok());
        match &*heard.action {
            "job_queued" => {
                if let (Some(number), Some(job)) = (number, heard.job_id) {
                    self.seen.queued.push(now - self.sent[number]);
                    self.stored.insert(job, (number, false));
                }
            }
            "job_result" | "job_failed" | "job_cancelled" => {
                let known = heard.job_id.and_then(|job| self.stored.get_mut(&job));
                match known {
                    None => self.seen.misrouted += 1,
                    Some((_, true)) => self.seen.duplicated += 1,
                    Some((number, over)) => {
                        *over = true;
                        self.out -= 1;
                        self.seen.results.push(now - self.sent[*number]);
                        self.seen.last = Some(now);
                        self.seen.failed += usize::from(heard.action != "job_result");
                    }
                }
            }
            "error" if number.is_some() => {
                self.out -= 1;
                self.seen.refused += 1;
            }
            _ => {}
        }
    }
}
