//! One connection of one's own, made when it is needed and made again after it was lost.

use std::time::{Duration, SystemTime};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::fault::is_short;
use super::{CONNECT_LIMIT, Database, Fault, STATEMENT_LIMIT};
use crate::telemetry::FIGURES;

/// A connection that comes back.
///
/// Used by the parts that work without pause (claimer, finisher, intake, heartbeat): each has its own, so that none
/// waits for another.
#[derive(Debug)]
pub struct Link {
    database: Database,
    name: String,
    connection: Option<PgConnection>,
    offset: ClockOffset,
}

/// How far the database's clock is from ours.
#[derive(Clone, Copy, Debug, Default)]
struct ClockOffset {
    ahead: Duration,
    behind: Duration,
}

impl Link {
    pub(super) fn new(database: Database, name: &str) -> Self {
        Self {
            database,
            name: name.to_owned(),
            connection: None,
            offset: ClockOffset::default(),
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

    /// Gives the connection up if `result` says that the database is away: the next use makes a new one. One whose server
    /// only has no room, such as on its disk, is kept: there may be none for another.
    pub fn settle<T>(&mut self, result: &Result<T, sqlx::Error>) {
        if result
            .as_ref()
            .is_err_and(|error| Fault::of(error) == Fault::Away && !is_short(error))
        {
            self.connection = None;
        }
    }

    /// The time by the database's clock, as it was measured when the connection was made.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + self.offset.ahead - self.offset.behind
    }

    /// Says goodbye to the server.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            // The server will notice in any case.
            let _ = connection.close().await;
        }
    }

    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        let options = self.database.options(&self.name);
        let (connection, offset) = limited_to(CONNECT_LIMIT, async move {
            let mut connection = options.connect().await?;
            // A statement that was given up here is given up there as well: otherwise those that wait for somebody's lock
            // would pile up until the server has no room. Some systems cannot; there it stays as it is.
            let _ = connection
                .execute("set client_connection_check_interval = '2s'")
                .await;
            let asked = SystemTime::now();
            let micros = sqlx::query_scalar!(
                r#"select (extract(epoch from clock_timestamp()) * 1000000)::bigint as "now!""#
            )
            .fetch_one(&mut connection)
            .await?;
            let here = asked + asked.elapsed().unwrap_or_default() / 2;
            let there = SystemTime::UNIX_EPOCH
                + Duration::from_micros(u64::try_from(micros).unwrap_or_default());
            let offset = ClockOffset {
                ahead: there.duration_since(here).unwrap_or_default(),
                behind: here.duration_since(there).unwrap_or_default(),
            };
            Ok((connection, offset))
        })
        .await?;
        self.offset = offset;
        FIGURES.connected(&self.name);
        Ok(connection)
    }
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
