//! The way to Postgres: settings of a connection, the two kinds of error, migrations.
//!
//! It knows nothing of jobs; their SQL is in `queue`.

mod fault;
pub mod keeper;
pub mod link;
pub mod listener;
mod pool;
pub mod pooler;
pub mod private;
mod reader;
pub mod schema;
pub mod throwaway;

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool, Postgres};

pub use fault::{Advised, Fault, advice, turns_away};
pub use link::Link;
pub use pool::{POOLED, PoolUse};
pub use reader::Reader;

use link::limited_to;
use pool::{BROWSING, SHORT, browsing, pool};

/// The longest that one statement of ours may take before its connection is given up: nothing else finds a connection
/// that is half-open. Each is short, and harmless to repeat.
pub const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// The longest that making a connection may take; whatever listens there may be no Postgres and never answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// One database, and how to connect to it; clones share both.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    browsing: PgPool,
}

impl Database {
    /// Prepares connections to `url`; none is made yet.
    ///
    /// # Errors
    /// When `url` is not a Postgres URL.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let options = options(url)?;
        Ok(Self {
            pool: pool(SHORT).connect_lazy_with(options.clone()),
            browsing: pool(BROWSING).connect_lazy_with(browsing(options)),
        })
    }

    /// From now on connects to `url`: the same database, whose server has come back on another port.
    ///
    /// # Errors
    /// When `url` is not a Postgres URL.
    pub fn moved_to(&self, url: &str) -> anyhow::Result<()> {
        let options = options(url)?;
        self.pool.set_connect_options(options.clone());
        self.browsing.set_connect_options(browsing(options));
        Ok(())
    }

    /// Says goodbye to the server.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.browsing.close());
    }

    /// A few connections for short statements.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A few others for whoever looks around: what they ask may be slow, and holds up nobody who works.
    #[must_use]
    pub fn browsing(&self) -> &PgPool {
        &self.browsing
    }

    /// How much of its pools is in use.
    #[must_use]
    pub fn pools(&self) -> [PoolUse; 2] {
        [
            PoolUse::of("work", &self.pool),
            PoolUse::of("browse", &self.browsing),
        ]
    }

    /// A connection of its own for a part that works without pause; `name` is seen in `pg_stat_activity`.
    #[must_use]
    pub fn link(&self, name: &str) -> Link {
        Link::new(self.clone(), name)
    }

    /// How to make a connection of one's own, as of now; `name` is seen in `pg_stat_activity`.
    fn options(&self, name: &str) -> PgConnectOptions {
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        options.application_name(&format!("ringback {name}"))
    }

    /// The database in words, without its password.
    #[must_use]
    pub fn name(&self) -> String {
        let options = self.pool.connect_options();
        format!(
            "the database {} on {}:{}",
            options.get_database().unwrap_or("(default)"),
            options.get_host(),
            options.get_port()
        )
    }

    /// A shared connection; where there is none, the reason.
    async fn acquire(&self) -> anyhow::Result<PoolConnection<Postgres>> {
        let error = match self.pool.acquire().await {
            Ok(connection) => return Ok(connection),
            // The pool asks a server that is full again and again, and then does not say why that was in vain.
            Err(sqlx::Error::PoolTimedOut) => {
                let options = self.options("pool");
                // Boxed, since it is large and rare.
                let asking = Box::pin(limited_to(CONNECT_LIMIT, options.connect()));
                asking.await.err().unwrap_or(sqlx::Error::PoolTimedOut)
            }
            Err(error) => error,
        };
        Err(self.unreachable(error))
    }

    fn unreachable(&self, error: sqlx::Error) -> anyhow::Error {
        let name = self.name();
        let words = if turns_away(&error) {
            format!("could not connect to {name}")
        } else {
            format!("could not reach {name}; is it running, and is DATABASE_URL right?")
        };
        anyhow::Error::new(error).context(words)
    }
}

/// How every connection of ours is made.
fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)
        .context(
            "DATABASE_URL is not a Postgres URL, such as postgres://user:password@host:5432/name",
        )?
        .application_name("ringback")
        .options([
            // A plan made while a table is empty must not keep its sequential scan for ever, and a lookup by ids
            // must not turn into a hash of the whole table: every statement of ours is a walk along an index.
            ("enable_seqscan", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
            // Such a walk is the same whatever it is asked for, so it is planned once for each connection: for a job
            // that comes alone, planning would take longer than storing it.
            ("plan_cache_mode", "force_generic_plan"),
            // A forgotten transaction must not hold locks or dead rows for ever.
            ("idle_in_transaction_session_timeout", "20s"),
            // The server notices a client that is gone, even while it sends to it.
            ("tcp_keepalives_idle", "15"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "30000"),
        ]);
    Ok(options)
}

/// Asks again for as long as `patience` lasts, while the database is away.
///
/// # Errors
/// The last one, or one that is not about a database that is away.
pub async fn patiently<T, Answer>(
    patience: Duration,
    mut ask: impl FnMut() -> Answer,
) -> Result<T, sqlx::Error>
where
    Answer: Future<Output = Result<T, sqlx::Error>>,
{
    let give_up = Instant::now() + patience;
    let mut backoff = Backoff::new();
    loop {
        match ask().await {
            Err(error) if Fault::of(&error) == Fault::Away && Instant::now() < give_up => {
                let delay = backoff.delay();
                if backoff.tells() {
                    tracing::warn!(
                        error = %Advised(&error), delay_ms = delay.as_millis(),
                        "the database is away, trying again"
                    );
                }
                tokio::time::sleep(delay).await;
            }
            answer => return answer,
        }
    }
}

/// Growing, bounded, jittered delays between tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    told: Option<Instant>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    /// The longest delay.
    pub const LONGEST: Duration = Duration::from_secs(2);
    /// How often it is told of what goes on and on.
    const TELL_AGAIN: Duration = Duration::from_secs(30);

    /// The delays from the start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: Self::FIRST,
            told: None,
        }
    }

    /// The next delay.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(Self::LONGEST);
        delay
    }

    /// Whether to log what has failed: while the delays grow, and then once in a while, since an outage may last for hours
    /// and many parts meet it.
    pub fn tells(&mut self) -> bool {
        let tells = self.next < Self::LONGEST
            || self
                .told
                .is_none_or(|told| told.elapsed() >= Self::TELL_AGAIN);
        if tells {
            self.told = Some(Instant::now());
        }
        tells
    }

    /// It works again: the next failure begins with the shortest delay.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_while_the_delays_grow_and_then_seldom() {
        let mut backoff = Backoff::new();
        let told = |backoff: &mut Backoff| {
            backoff.delay();
            backoff.tells()
        };
        assert_eq!((0..100).filter(|_| told(&mut backoff)).count(), 5);
        backoff.told = Instant::now().checked_sub(Backoff::TELL_AGAIN);
        assert_eq!((0..100).filter(|_| told(&mut backoff)).count(), 1);
        backoff.reset();
        assert!(told(&mut backoff));
    }
}
