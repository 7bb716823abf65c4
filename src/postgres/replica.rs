//! A server that follows the database and only reads, for whoever looks around.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool, Postgres};
use tokio::time::Instant;

use super::fault::Advised;
use super::link::limited_to;
use super::pool::{BROWSING, browsing, pool};
use crate::config::Pooler;

/// How long it may take to give a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it is left alone after it gave none; the database itself answers meanwhile.
const REST: Duration = Duration::from_secs(10);

/// Connections to it; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    options: PgConnectOptions,
    pool: PgPool,
    rests_until: Arc<Mutex<Option<Instant>>>,
}

impl Replica {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let pool = pool(BROWSING, Pooler::None).acquire_timeout(PATIENCE);
        Self {
            pool: pool.connect_lazy_with(browsing(options.clone(), Pooler::None)),
            options,
            rests_until: Arc::default(),
        }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection, if it is there.
    pub(super) async fn acquire(&self) -> Option<PoolConnection<Postgres>> {
        if self.is_resting() {
            return None;
        }
        self.told(self.pool.acquire().await)
    }

    /// A connection of one's own, if it is there.
    pub(super) async fn connect(&self, name: &str) -> Option<PgConnection> {
        if self.is_resting() {
            return None;
        }
        let options = self.options.clone().application_name(name);
        self.told(limited_to(PATIENCE, options.connect()).await)
    }

    fn told<T>(&self, connected: Result<T, sqlx::Error>) -> Option<T> {
        match connected {
            Ok(connection) => Some(connection),
            Err(error) => {
                tracing::warn!(
                    error = %Advised(&error),
                    "the replica gives no connection; the database itself is looked at instead"
                );
                self.rest();
                None
            }
        }
    }

    fn is_resting(&self) -> bool {
        let rests_until = *self.rests();
        rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Leaves it alone for a while.
    pub(super) fn rest(&self) {
        *self.rests() = Some(Instant::now() + REST);
    }

    fn rests(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests_until
            .lock()
            .expect("nobody panics while it is held")
    }
}
