//! Notices to everybody: many sockets, and how long until each of them has heard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::socket::Socket;
use super::{Latency, Progress, rate};
use crate::notice;
use crate::postgres::Database;
use crate::wire::SYSTEM_GROUP;

/// What is asked of the gateway.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// How many sockets.
    pub sockets: usize,
    /// How many notices.
    pub notices: usize,
    /// Whether they are all sent at once, in one transaction, or each when everybody has heard the one before.
    pub burst: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// From the first notice to the last message.
    pub seconds: f64,
    /// How many messages a second.
    pub messages_per_second: f64,
    /// From before a notice is stored until a socket has heard it.
    pub heard: Latency,
    /// Messages that did not come.
    pub missing: usize,
}

/// How long everybody waits for a notice.
const PATIENCE: Duration = Duration::from_secs(30);

/// The notices are for those who are there.
const TTL: Duration = Duration::from_secs(1);

/// Runs the load on the gateway that serves `address` and has this database.
///
/// # Errors
/// When a socket cannot be opened, or is lost; or those of the database.
pub async fn run(
    address: &str,
    database: &Database,
    load: &Load,
    progress: &Progress,
) -> anyhow::Result<Found> {
    // Others may speak as well meanwhile.
    let mark = Uuid::new_v4().simple().to_string();
    let sent: Arc<Vec<OnceLock<Instant>>> =
        Arc::new((0..load.notices).map(|_| OnceLock::new()).collect());
    let heard = Arc::new(Heard::default());
    let mut listening = JoinSet::new();
    for _ in 0..load.sockets {
        let socket = Socket::open(address, PATIENCE).await?;
        let ear = Ear {
            socket,
            mark: format!("\"{mark} "),
            sent: Arc::clone(&sent),
            heard: Arc::clone(&heard),
            progress: progress.clone(),
        };
        listening.spawn(ear.listen());
    }
    let mut connection = database
        .pool()
        .acquire()
        .await
        .context("could not reach the database")?;
    let say = async |connection: &mut PgConnection, number: usize| {
        let _ = sent[number].set(Instant::now());
        let text = format!("{mark} {number}");
        let said = notice::send(connection, SYSTEM_GROUP, &text, TTL).await;
        said.context("could not send a notice")
    };
    let began = Instant::now();
    if load.burst {
        let mut together = connection.begin().await?;
        for number in 0..load.notices {
            say(&mut together, number).await?;
        }
        together.commit().await?;
    } else {
        for number in 0..load.notices {
            say(&mut connection, number).await?;
            let everybody = (number + 1) * load.sockets;
            // Where somebody does not hear it, that is counted below.
            let _ = tokio::time::timeout(PATIENCE, heard.wait_for(everybody)).await;
        }
    }
    let mut times = Vec::new();
    let mut last = began;
    while let Some(ear) = listening.join_next().await {
        let (of_one, end) = ear.context("a socket of the load has panicked")??;
        last = last.max(end);
        times.extend(of_one);
    }
    let took = last - began;
    Ok(Found {
        seconds: took.as_secs_f64(),
        messages_per_second: rate(times.len(), took),
        missing: load.sockets * load.notices - times.len(),
        heard: Latency::of(times),
    })
}

/// How many messages all sockets have heard, and who waits until it is so many.
#[derive(Default)]
struct Heard {
    messages: AtomicUsize,
    wanted: AtomicUsize,
    enough: Notify,
}

impl Heard {
    fn add(&self, more: usize) {
        let messages = self.messages.fetch_add(more, Ordering::SeqCst) + more;
        if more > 0 && messages >= self.wanted.load(Ordering::SeqCst) {
            self.enough.notify_one();
        }
    }

    async fn wait_for(&self, messages: usize) {
        self.wanted.store(messages, Ordering::SeqCst);
        while self.messages.load(Ordering::SeqCst) < messages {
            self.enough.notified().await;
        }
    }
}

/// One socket that listens until it has heard every notice.
struct Ear {
    socket: Socket,
    mark: String,
    sent: Arc<Vec<OnceLock<Instant>>>,
    heard: Arc<Heard>,
    progress: Progress,
}

impl Ear {
    async fn listen(mut self) -> anyhow::Result<(Vec<Duration>, Instant)> {
        let mut times = Vec::with_capacity(self.sent.len());
        let mut last = Instant::now();
        while times.len() < self.sent.len() {
            let texts = self.socket.hear().await?;
            if texts.is_empty() {
                break;
            }
            let now = Instant::now();
            let before = times.len();
            for text in texts {
                let number = number(&text, &self.mark);
                if let Some(sent) = number.and_then(|number| self.sent.get(number)?.get()) {
                    times.push(now - *sent);
                    last = now;
                }
            }
            self.heard.add(times.len() - before);
            self.progress.add(times.len() - before);
        }
        Ok((times, last))
    }
}

/// Which of our notices this message is: they are told from others by their mark.
fn number(text: &str, mark: &str) -> Option<usize> {
    let (_, rest) = text.split_once(mark)?;
    rest.split('"').next()?.parse().ok()
}
