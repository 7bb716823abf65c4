//! How the whole system is, for everybody who looks on: read once, however many they are, and only while there are any.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::postgres::{Backoff, Link};
use crate::queue::overview::overview;
use crate::shutdown::{self, Stop};

/// How many may look on at once.
const LIMIT: usize = 1_000;

/// How often it is read, at most.
const EVERY: Duration = Duration::from_secs(1);

/// And how seldom.
const SELDOM: Duration = Duration::from_secs(30);

/// A reading may take this part of the time: where it is slow, it is rare.
const SHARE: u32 = 10;

/// The newest reading, as JSON.
#[derive(Debug)]
pub(super) struct Feed {
    newest: watch::Sender<Option<Arc<str>>>,
    /// Woken when somebody begins to look on.
    somebody: Notify,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            newest: watch::Sender::new(None),
            somebody: Notify::new(),
        }
    }
}

impl Feed {
    /// The readings from now on, and the one before if there is one that is not old; nothing, where too many look on
    /// already.
    pub(super) fn follow(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        if self.newest.receiver_count() >= LIMIT {
            return None;
        }
        let mut news = self.newest.subscribe();
        news.mark_changed();
        self.somebody.notify_one();
        Some(news)
    }

    /// Reads again and again while somebody looks on, until it is told to stop.
    pub(super) async fn run(self: Arc<Self>, mut link: Link, stop: Stop) -> anyhow::Result<()> {
        let mut backoff = Backoff::new();
        loop {
            if self.newest.receiver_count() == 0 {
                // Whoever comes next is not to take it for how things are.
                self.newest.send_replace(None);
                tokio::select! {
                    () = self.somebody.notified() => {}
                    () = stop.cancelled() => break,
                }
                continue;
            }
            let began = Instant::now();
            let read = link
                .run(async |connection| overview(connection).await)
                .await;
            let mut pause = (began.elapsed() * SHARE).clamp(EVERY, SELDOM);
            match read {
                Ok(mut overview) => {
                    backoff.reset();
                    overview.next_in = Some(pause.as_secs_f64());
                    let text = serde_json::to_string(&overview)
                        .expect("an overview is strings and numbers, which all encode");
                    self.newest.send_replace(Some(text.into()));
                }
                Err(error) => {
                    pause += backoff.failed(&error, "could not read how things are");
                    self.newest.send_replace(None);
                }
            }
            if !shutdown::sleep(pause, &stop).await {
                break;
            }
        }
        link.close().await;
        Ok(())
    }
}
