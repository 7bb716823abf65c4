//! The way to Postgres: settings of a connection, the two kinds of error, migrations.
//!
//! It knows nothing of jobs; their SQL is in `queue`.

mod address;
mod backoff;
mod connect;
mod fault;
pub mod hints;
mod hosts;
pub mod keeper;
pub mod link;
pub mod listener;
mod pool;
mod pooled;
pub mod pooler;
pub mod private;
mod reader;
mod replica;
pub mod schema;
mod shard;
pub mod throwaway;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::config::Pooler;

pub use address::Address;
pub use backoff::Backoff;
pub use fault::{Advised, Fault, advice, code, turns_away};
pub use link::Link;
pub use pool::{POOLED, PoolUse};
pub use reader::Reader;
pub use shard::Shard;

use address::options;
use connect::Way;
use hints::{Hints, Notify};
use hosts::Hosts;
use pool::{BROWSING, SHORT, browsing, pool};
use replica::Replica;

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
    replica: Option<Replica>,
    hosts: Hosts,
    /// The way past the pooler, where there is one.
    direct: Option<Hosts>,
    pooler: Pooler,
    hints: Arc<OnceLock<Arc<dyn Hints>>>,
}

impl Database {
    /// Prepares connections to `url`; none is made yet.
    ///
    /// # Errors
    /// When `url` is not a Postgres URL.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Self::at(&Address::of(url))
    }

    /// Prepares connections to a database; none is made yet.
    ///
    /// # Errors
    /// When something in the address is not a Postgres URL.
    pub fn at(address: &Address) -> anyhow::Result<Self> {
        let (hosts, pooler) = (address.hosts()?, address.pooler);
        let options = hosts.now();
        Ok(Self {
            pool: pool(SHORT, pooler).connect_lazy_with(options.clone()),
            browsing: pool(BROWSING, pooler).connect_lazy_with(browsing(options.clone(), pooler)),
            replica: address.replica()?,
            direct: address.direct_hosts()?,
            hosts: hosts.clone(),
            pooler,
            hints: Arc::default(),
        })
    }

    /// From now on connects to `url`: the same database, whose server has come back on another port.
    ///
    /// # Errors
    /// When `url` is not a Postgres URL.
    pub fn moved_to(&self, url: &str) -> anyhow::Result<()> {
        self.point_pools_to(options(url)?);
        Ok(())
    }

    /// From now on, hints go and come this way as well; once, and before anybody listens.
    pub fn hint_by(&self, hints: impl Hints + 'static) {
        let is_first = self.hints.set(Arc::new(hints)).is_ok();
        debug_assert!(is_first, "hints go one way");
    }

    /// The way of its hints.
    #[must_use]
    pub fn hints(&self) -> &dyn Hints {
        self.hints.get().map_or(&Notify, |hints| &**hints)
    }

    /// What sets this database apart from every other, for as long as it lives, on whichever server that has its data.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn identity(&self) -> Result<String, sqlx::Error> {
        self.run(async |connection| {
            sqlx::query_scalar!(
            r#"
            select left(encode(sha256(convert_to(
                (select system_identifier from pg_control_system()) || ' ' || current_database(), 'utf8'
            )), 'hex'), 16) as "identity!"
            "#
        )
        .fetch_one(connection)
        .await
        })
        .await
    }

    /// Says goodbye to the server.
    pub async fn close(&self) {
        self.hints().flush().await;
        tokio::join!(self.pool.close(), self.browsing.close(), async {
            if let Some(replica) = &self.replica {
                replica.pool().close().await;
            }
        });
    }

    /// The connections for short statements.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How much of its pools is in use.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        vec![
            PoolUse::of("work", &self.pool),
            PoolUse::of("browse", &self.browsing),
        ]
    }

    /// A connection of its own for a part that works without pause; `name` is seen in `pg_stat_activity`.
    #[must_use]
    pub fn link(&self, name: &'static str) -> Link {
        Link::new(self.clone(), name, Way::Main)
    }

    /// The same for what a pooler cannot serve: past it, where there is a way.
    #[must_use]
    pub fn direct_link(&self, name: &'static str) -> Link {
        Link::new(self.clone(), name, Way::Direct)
    }

    /// The same for whoever looks around again and again: to the replica, where there is one.
    #[must_use]
    pub fn browsing_link(&self, name: &'static str) -> Link {
        Link::new(self.clone(), name, Way::Replica)
    }

    /// How to make a connection of one's own, as of now; `name` is seen in `pg_stat_activity`.
    fn options(&self, name: &str) -> PgConnectOptions {
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        options.application_name(&format!("ringback {name}"))
    }

    /// The same past the pooler, where there is a way.
    fn direct_options(&self, name: &str) -> PgConnectOptions {
        match &self.direct {
            Some(hosts) => hosts
                .now()
                .clone()
                .application_name(&format!("ringback {name}")),
            None => self.options(name),
        }
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
                let delay = backoff.failed(&error, "the database is away");
                tokio::time::sleep(delay).await;
            }
            answer => return answer,
        }
    }
}
