//! The pools: for short statements, and for whoever looks around.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgConnection, PgPool};

use super::fault::is_lost;
use super::link::limited_to;
use super::pooled::{Use, on};
use super::{CONNECT_LIMIT, Database, STATEMENT_LIMIT, Way};
use crate::config::Pooler;

/// When the server gives up a statement of a pool: before we do, so that what was given up did not happen, and its
/// connection is free for others.
const POOLED_STATEMENT_LIMIT: &str = "set statement_timeout = '8s'";

/// How long it waits there for somebody's lock.
const POOLED_LOCK_LIMIT: &str = "set lock_timeout = '2s'";

/// The most connections of one process that are shared by its parts.
pub const POOLED: u32 = SHORT + BROWSING;
pub(super) const SHORT: u32 = 8;
pub(super) const BROWSING: u32 = 4;

/// How much of a pool of connections is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// What the pool is for.
    pub name: &'static str,
    /// How many connections it has.
    pub open: u32,
    /// How many of them somebody works with.
    pub used: u32,
    /// How many it may have.
    pub most: u32,
}

impl PoolUse {
    pub(super) fn of(name: &'static str, pool: &PgPool) -> Self {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Self {
            name,
            open: pool.size(),
            used: pool.size().saturating_sub(idle),
            most: pool.options().get_max_connections(),
        }
    }

    /// The same of two pools that are for the same.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            name: self.name,
            open: self.open + other.open,
            used: self.used + other.used,
            most: self.most + other.most,
        }
    }
}

impl Database {
    /// Does `work`, something short, on one of a few connections, within [`STATEMENT_LIMIT`].
    ///
    /// # Errors
    /// Those of `work`, that it took too long, or that the database cannot be reached.
    pub async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        self.run_for(STATEMENT_LIMIT, work).await
    }

    /// The same within another limit.
    ///
    /// # Errors
    /// The same.
    pub async fn run_for<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let ran = async {
            self.settle_if_doubted().await?;
            let mut connection = self.pool.acquire().await?;
            let ran = on(&mut connection, self.pooler, Use::Shared, work).await;
            if is_lost(&ran) {
                connection.close_on_drop();
            }
            ran
        };
        // Boxed, since it is large and seldom.
        let ran = limited_to(limit, Box::pin(ran)).await;
        self.doubt(&ran);
        ran
    }

    /// Looks around on one of a few other connections, within [`STATEMENT_LIMIT`]: what is asked there may be slow, and
    /// holds up nobody who works.
    ///
    /// # Errors
    /// Those of `look`, that it took too long, or that the database cannot be reached.
    pub async fn browse<T>(
        &self,
        look: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        self.browse_for(STATEMENT_LIMIT, look).await
    }

    /// The same within another limit.
    ///
    /// # Errors
    /// The same.
    pub async fn browse_for<T>(
        &self,
        limit: Duration,
        look: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let looked = async {
            let replica = match &self.replica {
                Some(replica) => replica.acquire().await,
                None => None,
            };
            let is_there = replica.is_some();
            let (mut connection, pooler) = match replica {
                Some(connection) => (connection, Pooler::None),
                None => {
                    self.settle_if_doubted().await?;
                    (self.browsing.acquire().await?, self.pooler)
                }
            };
            let looked = on(&mut connection, pooler, Use::Browsing, look).await;
            if is_lost(&looked) {
                connection.close_on_drop();
                // Whoever asks again is answered by the database itself.
                if let Some(replica) = self.replica.as_ref().filter(|_| is_there) {
                    replica.rest();
                }
            }
            looked
        };
        let looked = limited_to(limit, Box::pin(looked)).await;
        self.doubt(&looked);
        looked
    }

    /// From now on, the pools connect to this server.
    pub(super) fn point_pools_to(&self, options: PgConnectOptions) {
        self.pool.set_connect_options(options.clone());
        self.browsing
            .set_connect_options(browsing(options, self.pooler));
    }

    /// Where a pool had no answer, whoever asks next finds out first which of several servers gives one: those who have
    /// nothing but a pool would ask the one that is lost for ever.
    fn doubt<T>(&self, done: &Result<T, sqlx::Error>) {
        if is_lost(done) {
            self.hosts.doubt();
        }
    }

    async fn settle_if_doubted(&self) -> Result<(), sqlx::Error> {
        if self.hosts.was_doubted() {
            self.settle_on(Way::Main).await?;
        }
        Ok(())
    }
}

/// A pool whose connections give up by themselves.
pub(super) fn pool(connections: u32, pooler: Pooler) -> PgPoolOptions {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_LIMIT)
        .test_before_acquire(false);
    // Behind a pooler it would be said to a server process that somebody else has next.
    if pooler != Pooler::None {
        return pool;
    }
    pool.after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(POOLED_STATEMENT_LIMIT).await?;
            connection.execute(POOLED_LOCK_LIMIT).await?;
            Ok(())
        })
    })
}

/// How the connections of those who look around are made: each question has a plan of its own, since what is a good one
/// depends on what is asked for, and walks along an index until it has found enough.
pub(super) fn browsing(options: PgConnectOptions, pooler: Pooler) -> PgConnectOptions {
    let options = options.application_name("ringback browsing");
    if pooler != Pooler::None {
        return options;
    }
    options.options([
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_bitmapscan", "off"),
    ])
}
