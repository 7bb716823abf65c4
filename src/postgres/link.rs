//! One connection of one's own, made when it is needed and made again after it was lost.

use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use sqlx::{Connection, Executor, PgConnection};

use super::fault::is_lost;
use super::hints::Hints;
use super::pooled::{Use, on};
use super::pooler;
use super::{CONNECT_LIMIT, Database, STATEMENT_LIMIT, Way};
use crate::config::Pooler;
use crate::telemetry::FIGURES;

/// A connection that comes back.
///
/// Used by the parts that work without pause (claimer, finisher, intake, heartbeat): each has its own, so that none
/// waits for another.
#[derive(Debug)]
pub struct Link {
    database: Database,
    name: &'static str,
    connection: Option<PgConnection>,
    offset: ClockOffset,
    way: Way,
    /// What the connection leads through.
    pooler: Pooler,
}

/// How far the database's clock is from ours.
#[derive(Clone, Copy, Debug, Default)]
struct ClockOffset {
    ahead: Duration,
    behind: Duration,
}

impl Link {
    pub(super) fn new(database: Database, name: &'static str, way: Way) -> Self {
        Self {
            database,
            name,
            connection: None,
            offset: ClockOffset::default(),
            way,
            pooler: Pooler::None,
        }
    }

    /// The connection, made now if there is none.
    ///
    /// # Errors
    /// When the database cannot be reached; then nothing was sent, and nothing can have been committed.
    pub async fn connected(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            // Boxed, since it is large and rare: otherwise its size is part of every statement's future.
            let connection = Box::pin(self.connect()).await.map_err(NotSent::mark)?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was made just above"))
    }

    /// Does `work` on the connection, within [`STATEMENT_LIMIT`]; gives the connection up if that says that the database is
    /// away.
    ///
    /// # Errors
    /// Those of `work`, that it took too long, or that the database cannot be reached.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let ran = match self.ready().await {
            Ok(()) => limited(self.on(work)).await,
            Err(error) => Err(error),
        };
        self.settle(&ran);
        ran
    }

    /// The same, connecting included, within another limit.
    ///
    /// # Errors
    /// The same.
    pub async fn run_for<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let ran = async {
            self.ready().await?;
            self.on(work).await
        };
        let ran = limited_to(limit, ran).await;
        self.settle(&ran);
        ran
    }

    /// Does `work` again and again until it says that nothing is left, each time as [`run`](Self::run) does: so what deletes
    /// much does it in small batches, between which others go on.
    ///
    /// # Errors
    /// The same.
    pub async fn run_to_the_end(
        &mut self,
        work: impl Fn(&mut PgConnection) -> BoxFuture<'_, Result<bool, sqlx::Error>>,
    ) -> Result<(), sqlx::Error> {
        while self.run(async |connection| work(connection).await).await? {}
        Ok(())
    }

    /// Connects, where there is no connection; for the database's time.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn ready(&mut self) -> Result<(), sqlx::Error> {
        self.connected().await.map(|_| ())
    }

    async fn on<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let pooler = self.pooler;
        on(self.connected().await?, pooler, Use::Own, work).await
    }

    /// Whether several server processes serve this connection, one after another: what is set or locked on it for longer
    /// than a transaction is not there the next time.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_shared(&mut self) -> Result<bool, sqlx::Error> {
        let (database, name, way) = (self.database.clone(), self.name, self.way);
        self.ready().await?;
        if self.pooler != Pooler::None {
            return Ok(true);
        }
        let connection = self.connected().await?;
        let asked = limited_to(CONNECT_LIMIT, async {
            let (mut beside, _) = database.connect(name, way).await?;
            let is_shared = pooler::is_shared(connection, &mut beside).await;
            let _ = beside.close().await;
            is_shared
        });
        let asked = Box::pin(asked).await;
        self.settle(&asked);
        asked
    }

    /// Gives the connection up if `result` says that the database is away: the next use makes a new one.
    pub fn settle<T>(&mut self, result: &Result<T, sqlx::Error>) {
        if is_lost(result) {
            self.connection = None;
        }
    }

    /// The time by the database's clock, as it was measured when the connection was made.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + self.offset.ahead - self.offset.behind
    }

    /// The way of the hints of what it commits.
    #[must_use]
    pub fn hints(&self) -> &dyn Hints {
        self.database.hints()
    }

    /// Says goodbye to the server.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            // The server will notice in any case.
            let _ = connection.close().await;
        }
    }

    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        let (database, name, way) = (self.database.clone(), self.name, self.way);
        let (connection, pooler, offset) = limited_to(CONNECT_LIMIT, async move {
            // Boxed, since it is large and rare.
            let connected = Box::pin(database.connect(name, way));
            let (mut connection, pooler) = connected.await?;
            // A statement that was given up here is given up there as well: otherwise those that wait for somebody's lock
            // would pile up until the server has no room. Some systems cannot; there it stays as it is.
            if pooler == Pooler::None {
                let _ = connection
                    .execute("set client_connection_check_interval = '2s'")
                    .await;
            }
            let (asked, micros) = on(&mut connection, pooler, Use::Own, time).await?;
            let here = asked + asked.elapsed().unwrap_or_default() / 2;
            let there = SystemTime::UNIX_EPOCH
                + Duration::from_micros(u64::try_from(micros).unwrap_or_default());
            let offset = ClockOffset {
                ahead: there.duration_since(here).unwrap_or_default(),
                behind: here.duration_since(there).unwrap_or_default(),
            };
            Ok((connection, pooler, offset))
        })
        .await?;
        self.offset = offset;
        self.pooler = pooler;
        FIGURES.connected(self.name);
        Ok(connection)
    }
}

/// When the database was asked for the time, and what it has answered, in microseconds since 1970.
async fn time(connection: &mut PgConnection) -> Result<(SystemTime, i64), sqlx::Error> {
    let asked = SystemTime::now();
    let micros = sqlx::query_scalar!(
        r#"select (extract(epoch from clock_timestamp()) * 1000000)::bigint as "now!""#
    )
    .fetch_one(connection)
    .await?;
    Ok((asked, micros))
}

/// Marks an error that came before anything was sent, so that nothing can have been committed.
#[derive(Debug, thiserror::Error)]
#[error("could not connect: {0}")]
pub struct NotSent(#[source] sqlx::Error);

impl NotSent {
    fn mark(error: sqlx::Error) -> sqlx::Error {
        sqlx::Error::Io(std::io::Error::other(Self(error)))
    }

    /// Whether it is one.
    #[must_use]
    pub fn is(error: &sqlx::Error) -> bool {
        Self::of(error).is_some()
    }

    /// Why there was no connection; any other error is its own cause.
    pub(super) fn cause(error: &sqlx::Error) -> &sqlx::Error {
        Self::of(error).map_or(error, |Self(cause)| cause)
    }

    fn of(error: &sqlx::Error) -> Option<&Self> {
        let sqlx::Error::Io(error) = error else {
            return None;
        };
        error.get_ref()?.downcast_ref()
    }
}

/// Waits for a statement no longer than [`STATEMENT_LIMIT`]: a server that says nothing is a server that is away.
///
/// # Errors
/// Those of the statement, or that it took too long.
pub async fn limited<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    limited_to(STATEMENT_LIMIT, statement).await
}

/// The same with another limit.
///
/// # Errors
/// Those of the statement, or that it took too long.
pub async fn limited_to<T>(
    limit: Duration,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, statement)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
