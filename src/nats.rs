//! Hints by NATS, for fleets whose fan-out outgrows NOTIFY.
//!
//! Core NATS keeps nothing: what is sent while nobody hears it is gone, and is found by polling. So a server that is away
//! stops nothing, at the start or later.

mod ears;
mod servers;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::timeout;
use uuid::Uuid;

use crate::postgres::hints::{Hint, Hinting, Hints};
use crate::postgres::listener::Wake;
use crate::telemetry::FIGURES;

use ears::Ears;
pub use servers::Servers;
use told::Told;

/// How often a server that says nothing is asked whether it is there; after two questions without an answer it is not.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How many hints of one channel may wait to be read. What finds no place is lost, and everything is looked at instead.
const WAITING: usize = 1_024;

/// How long the last hints may take to leave.
const LAST_HINTS: Duration = Duration::from_secs(1);

/// How long a server may take to answer whoever asks whether it is there.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The hints of one database, by NATS.
#[derive(Debug)]
pub struct Nats {
    client: Client,
    /// What the subjects of this database begin with: others may use the same servers.
    prefix: String,
    /// Changes whenever hints may have been missed.
    missed: watch::Sender<()>,
}

impl Nats {
    /// Connects from now on, for as long as it takes; `database` is what sets one apart from others.
    ///
    /// # Errors
    /// When a server's address cannot be used.
    pub async fn start(servers: &Servers, database: &str) -> anyhow::Result<Self> {
        let missed = watch::Sender::new(());
        let told = Arc::new(Told::new(servers.to_string(), missed.clone()));
        let delays = Arc::clone(&told);
        let connecting = options(servers)
            .retry_on_initial_connect()
            .reconnect_delay_callback(move |_| delays.delay())
            .event_callback(move |event| {
                told.hear(&event);
                std::future::ready(())
            })
            .connect(servers.addresses());
        // Boxed, since it is large and rare.
        let client = Box::pin(connecting).await;
        let client = client
            .with_context(|| format!("could not prepare connections to NATS at {servers}"))?;
        Ok(Self {
            client,
            prefix: format!("ringback.{database}"),
            missed,
        })
    }

    /// Hands a hint to the connection, if it takes it at once.
    fn publish(&self, hint: &Hint) -> bool {
        let subject = format!("{}.{}", self.prefix, hint.channel);
        let publish = self.client.publish(subject, hint.payload.clone().into());
        // Not within the budget of the task, which may be used up by what has nothing to do with it.
        matches!(unconstrained(publish).now_or_never(), Some(Ok(())))
    }
}

impl Hints for Nats {
    fn hinting(&self) -> Hinting {
        Hinting::Answer
    }

    fn send(&self, hints: &[Hint]) {
        let is_connected = self.client.connection_state() == State::Connected;
        let taken = hints
            .iter()
            .take_while(|hint| is_connected && self.publish(hint));
        let sent = taken.count();
        FIGURES.hints(i64::try_from(sent).unwrap_or_default());
        if sent < hints.len() {
            FIGURES.lost_hints();
        }
    }

    fn hear(&self, channels: &[String]) -> BoxStream<'static, Wake> {
        let (client, prefix) = (self.client.clone(), self.prefix.clone());
        let ears = Ears::new(client, prefix, channels.to_vec(), self.missed.subscribe());
        ears.wakes().boxed()
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        async {
            if self.client.connection_state() == State::Connected {
                // What has not left by then is found by polling.
                let _ = timeout(LAST_HINTS, self.client.flush()).await;
            }
        }
        .boxed()
    }
}

fn options(servers: &Servers) -> ConnectOptions {
    servers
        .login(ConnectOptions::new())
        .name("ringback")
        .ping_interval(PING_EVERY)
        .connection_timeout(ANSWER_LIMIT)
        .subscription_capacity(WAITING)
}

/// Sends a hint to oneself; answers how long it takes.
///
/// # Errors
/// When no server answers, or it does not let us.
pub async fn there_and_back(servers: &Servers) -> anyhow::Result<Duration> {
    let asking = async {
        let client = Box::pin(options(servers).connect(servers.addresses())).await?;
        let subject = format!("ringback.echo.{}", Uuid::new_v4().simple());
        let mut echo = client.subscribe(subject.clone()).await?;
        let began = Instant::now();
        client.publish(subject, "".into()).await?;
        let back = echo.next().await;
        back.context("the connection was closed")?;
        Ok(began.elapsed())
    };
    let answer = timeout(ANSWER_LIMIT, asking).await;
    answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {ANSWER_LIMIT:?}")))
}
