//! Jobs there and back: many sockets, each with so many jobs under way, as fast as they come back.

mod ledger;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::socket::{Socket, read};
use super::{Latency, Progress, rate};
use ledger::{Ledger, Seen};

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
    /// For how many seconds a socket waits on which nothing comes.
    pub patience: f64,
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
    /// Submissions without any answer.
    pub unanswered: usize,
    /// Results that came again.
    pub duplicated: usize,
    /// Results on a socket that had not asked.
    pub misrouted: usize,
    /// Submissions that were refused.
    pub refused: usize,
    /// Results that were no success.
    pub failed: usize,
}

impl Found {
    /// How many jobs did not come back as they should.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.lost + self.unanswered + self.duplicated + self.misrouted + self.refused + self.failed
    }
}

/// Runs the load on the gateway that serves `address`.
///
/// # Errors
/// When a socket cannot be opened, or is lost.
pub async fn run(address: &str, load: &Load, progress: &Progress) -> anyhow::Result<Found> {
    let mut sockets = Vec::with_capacity(load.sockets);
    let patience = Duration::from_secs_f64(load.patience);
    for number in 0..load.sockets {
        let mut socket = Socket::open(address, patience).await?;
        if load.sessions {
            socket
                .send([json!({"action": "resume"}).to_string()])
                .await?;
            if socket.hear().await?.is_empty() {
                bail!("the gateway has not answered a resume");
            }
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
        unanswered: all.unanswered,
        duplicated: all.duplicated,
        misrouted: all.misrouted,
        refused: all.refused,
        failed: all.failed,
    })
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
    ledger: Ledger,
    progress: Progress,
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
                format!(
                    r#"{{"action":"system_message","payload":{payload},"idempotency_key":"{keys}-"#
                )
            }
            None => format!(r#"{{"action":"system_message","payload":{payload},"ref":""#),
        };
        let tail = if keys.is_some() {
            r#""},"ref":""#
        } else {
            r#""}"#
        };
        Self {
            socket,
            jobs,
            in_flight: load.in_flight,
            head,
            tail: tail.to_owned(),
            keys,
            ledger: Ledger::default(),
            progress: progress.clone(),
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
            while self.ledger.out() < self.in_flight && self.ledger.sent() < self.jobs {
                texts.push(self.submission(self.ledger.sent()));
                self.ledger.send(Instant::now());
            }
            if !texts.is_empty() {
                self.socket.send(texts).await?;
            }
            if self.ledger.out() == 0 {
                break;
            }
            let heard = self.socket.hear().await?;
            if heard.is_empty() {
                break;
            }
            let now = Instant::now();
            let before = self.ledger.out();
            for text in heard {
                let heard = read(&text)?;
                if self.keys.is_some()
                    && let Some(id) = &heard.id
                {
                    acks.push(id.to_string());
                }
                self.ledger.hear(&heard, now);
            }
            self.progress.add(before - self.ledger.out());
        }
        Ok(self.ledger.close())
    }

    fn submission(&self, number: usize) -> String {
        let Self { head, tail, .. } = self;
        if self.keys.is_some() {
            format!(r#"{head}{number}{tail}{number}"}}"#)
        } else {
            format!("{head}{number}{tail}")
        }
    }
}
