//! LISTEN that survives: listen, sweep, wait with a limit, reconnect.
//!
//! A hint only says "look". Whoever looks must also look when no hint could reach it: after every (re)connect, and every
//! few seconds in any case. [`Listener::next`] gives both as one stream of [`Wake`]s, with the hints that come another way.

use std::fmt;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::Instant;

use super::connect::Way;
use super::{Backoff, Database};
use crate::telemetry::FIGURES;

/// How long an idle process waits before it looks by itself.
const POLL_WITH_HINTS: Duration = Duration::from_secs(5);

const POLL_WITHOUT_HINTS: Duration = Duration::from_millis(500);

/// After how many polls without a word from the server it is asked whether it still hears us.
const QUIET_POLLS: u32 = 2;

/// How long it may take to answer; meanwhile there are neither hints nor polls.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Why to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Hints may have been missed: look at everything.
    Sweep,
    /// Nothing was heard for a while: look at what has waited longest.
    Poll {
        /// How often this comes.
        every: Duration,
    },
    /// Somebody says that there is something.
    Hint {
        /// The channel that it came on.
        channel: String,
        /// What it names.
        payload: String,
    },
}

/// Whether to use LISTEN at all. What comes another way is heard in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Listen, and poll now and then.
    Hints,
    /// Only poll.
    PollOnly,
}

/// Ears for some channels, for ever.
pub struct Listener {
    wakes: BoxStream<'static, Wake>,
}

impl Listener {
    /// A listener that connects at its first [`next`](Self::next).
    #[must_use]
    pub fn new(database: &Database, channels: Vec<String>, hearing: Hearing) -> Self {
        let beside = database.hints().hear(&channels);
        let listening = Listening::new(database, channels, hearing);
        // As streams, neither way has to begin anew, such as to connect, whenever something came the other way.
        let listening = stream::unfold(listening, |mut listening| async {
            Some((listening.next().await, listening))
        });
        Self {
            wakes: stream::select(listening, beside).boxed(),
        }
    }

    /// Waits for the next reason to look. Each way of hints begins with a [`Wake::Sweep`].
    ///
    /// It may be dropped while it waits; nothing is lost by it.
    pub async fn next(&mut self) -> Wake {
        let wake = self.wakes.next().await;
        wake.expect("LISTEN and polls never end")
    }

    /// A reason to look that is here already, if there is one.
    pub fn try_next(&mut self) -> Option<Wake> {
        self.wakes.next().now_or_never().flatten()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// A connection that listens, and the polls beside it.
struct Listening {
    database: Database,
    channels: Vec<String>,
    hearing: Hearing,
    connected: Option<PgListener>,
    backoff: Backoff,
    next_poll: Instant,
    /// How many polls have passed since the server was last heard.
    quiet_polls: u32,
    /// The server has been silent for so long that it is asked whether it is there, and until when it may answer.
    doubted: Option<Instant>,
    /// Whether, without hints, everything has been looked at once.
    swept: bool,
}

impl Listening {
    fn new(database: &Database, channels: Vec<String>, hearing: Hearing) -> Self {
        Self {
            database: database.clone(),
            channels,
            hearing,
            connected: None,
            backoff: Backoff::new(),
            next_poll: Instant::now(),
            quiet_polls: 0,
            doubted: None,
            swept: false,
        }
    }

    /// The first is always a [`Wake::Sweep`].
    async fn next(&mut self) -> Wake {
        if self.hearing == Hearing::PollOnly {
            tokio::time::sleep_until(self.next_poll).await;
            self.next_poll = Instant::now() + POLL_WITHOUT_HINTS;
            return if std::mem::replace(&mut self.swept, true) {
                Wake::Poll {
                    every: POLL_WITHOUT_HINTS,
                }
            } else {
                Wake::Sweep
            };
        }
        loop {
            let Some(listener) = &mut self.connected else {
                match self.connect().await {
                    Ok(listener) => {
                        self.connected = Some(listener);
                        self.backoff.reset();
                        self.next_poll = Instant::now() + POLL_WITH_HINTS;
                        // Listening already: what commits from here on is heard, what committed before is swept.
                        return Wake::Sweep;
                    }
                    Err(error) => {
                        let delay = self.backoff.failed(&error, "could not listen for hints");
                        tokio::time::sleep(delay).await;
                        // Deaf, but not idle: what connections there are still work.
                        if Instant::now() >= self.next_poll {
                            self.next_poll = Instant::now() + POLL_WITH_HINTS;
                            return Wake::Poll {
                                every: POLL_WITH_HINTS,
                            };
                        }
                        continue;
                    }
                }
            };
            if let Some(limit) = self.doubted {
                // A server that went without a word is only found by speaking to it.
                let alive = sqlx::query("select").execute(&mut *listener);
                let answer = tokio::time::timeout_at(limit, alive).await;
                self.doubted = None;
                if !matches!(answer, Ok(Ok(_))) {
                    tracing::warn!(
                        "the connection that listens for hints is dead, connecting again"
                    );
                    self.connected = None;
                    continue;
                }
            }
            tokio::select! {
                heard = listener.try_recv() => match heard {
                    Ok(Some(hint)) => {
                        self.quiet_polls = 0;
                        return Wake::Hint { channel: hint.channel().to_owned(), payload: hint.payload().to_owned() };
                    }
                    Ok(None) => {
                        tracing::warn!("the connection that listens for hints was lost, connecting again");
                        self.connected = None;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the connection that listens for hints failed, connecting again");
                        self.connected = None;
                    }
                },
                () = tokio::time::sleep_until(self.next_poll) => {
                    self.next_poll = Instant::now() + POLL_WITH_HINTS;
                    self.quiet_polls += 1;
                    if self.quiet_polls >= QUIET_POLLS {
                        self.quiet_polls = 0;
                        self.doubted = Some(Instant::now() + PROBE_LIMIT);
                    }
                    return Wake::Poll { every: POLL_WITH_HINTS };
                }
            }
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let channels = self.channels.iter().map(String::as_str);
        listen(&self.database, "listener", channels).await
    }
}

/// A connection of its own that listens on some channels, until it is lost.
pub(super) async fn listen(
    database: &Database,
    name: &'static str,
    channels: impl IntoIterator<Item = &str>,
) -> Result<PgListener, sqlx::Error> {
    let listening = async {
        database.settle_on(Way::Direct).await?;
        // A pool of one, because that is what the library listens on; it is dropped with the connection.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(database.direct_options(name));
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen_all(channels).await?;
        FIGURES.connected(name);
        Ok(listener)
    };
    tokio::time::timeout(POLL_WITH_HINTS, listening)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
