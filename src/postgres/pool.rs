//! The pools: for short statements, and for whoever looks around.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};

use super::CONNECT_LIMIT;

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
}

/// A pool whose connections give up by themselves.
pub(super) fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_LIMIT)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(POOLED_STATEMENT_LIMIT).await?;
                connection.execute(POOLED_LOCK_LIMIT).await?;
                Ok(())
            })
        })
}

/// How the connections of those who look around are made: each question has a plan of its own, since what is a good one
/// depends on what is asked for, and walks along an index until it has found enough.
pub(super) fn browsing(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("ringback browsing").options([
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_bitmapscan", "off"),
    ])
}
