//! What is said of the connection to NATS, and how long it is waited between tries.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_nats::Event;
use tokio::sync::watch;

use crate::postgres::Backoff;

/// Hears what happens to the connection.
#[derive(Debug)]
pub(super) struct Told {
    servers: String,
    missed: watch::Sender<()>,
    tries: Mutex<Tries>,
}

#[derive(Debug, Default)]
struct Tries {
    backoff: Backoff,
    connected: Option<Instant>,
}

impl Told {
    pub(super) fn new(servers: String, missed: watch::Sender<()>) -> Self {
        Self {
            servers,
            missed,
            tries: Mutex::default(),
        }
    }

    /// How long to wait before the next try.
    pub(super) fn delay(&self) -> Duration {
        self.tries().backoff.delay()
    }

    pub(super) fn hear(&self, event: &Event) {
        let servers = &self.servers;
        match event {
            Event::Connected => {
                self.tries().connected = Some(Instant::now());
                tracing::info!(%servers, "hints go by NATS");
                self.missed.send_replace(());
            }
            Event::Disconnected => {
                if self.tries().lost() {
                    tracing::warn!(%servers, "the connection to NATS was lost, connecting again; work is found by polling");
                }
            }
            Event::ClientError(error) => {
                if self.tries().backoff.tells() {
                    tracing::warn!(%servers, %error, "NATS is away, trying again; work is found by polling");
                }
            }
            Event::ServerError(error) => {
                if self.tries().refused() {
                    tracing::warn!(%servers, %error, "NATS refuses hints; work is found by polling");
                }
            }
            Event::SlowConsumer(_) => {
                tracing::debug!("hints by NATS came faster than they were read");
                self.missed.send_replace(());
            }
            Event::LameDuckMode | Event::Draining | Event::Closed => {}
        }
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries
            .lock()
            .expect("nobody panics while holding the tries")
    }
}

impl Tries {
    /// Whether to tell of a lost connection. One that has lasted lets the delays begin again, and so nothing spins where
    /// each is lost at once.
    fn lost(&mut self) -> bool {
        let since = self.connected.take();
        if since.is_some_and(|since| since.elapsed() > Backoff::LONGEST) {
            self.backoff.reset();
        }
        self.backoff.tells()
    }

    /// Whether to tell of what the server does not allow, which it may say of every hint.
    fn refused(&mut self) -> bool {
        self.backoff.delay();
        self.backoff.tells()
    }
}
