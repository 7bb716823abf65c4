//! A connection that looks on: it changes nothing, waits for nobody for long, and works behind poolers as well.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use super::address::options;
use super::hosts::each_host;
use super::link::limited_to;
use super::schema::is_read_only;
use super::{CONNECT_LIMIT, Fault, code};

/// How long the server may take for one look; it gives up before we do, so that the connection stays good.
const LIMITS: &str =
    "set transaction read only; set local statement_timeout = '4s'; set local lock_timeout = '1s'";

/// How long we wait for one look: after that, the server has fallen silent.
const LIMIT: Duration = Duration::from_secs(8);

/// Looks at a database.
#[derive(Debug)]
pub struct Reader {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    refused: Option<String>,
}

impl Reader {
    /// Connects to `url` like every part of the program, or, where a pooler refuses what those ask for at their start,
    /// without that.
    ///
    /// # Errors
    /// When `url` is not a Postgres URL, or the database cannot be reached.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let mut last = None;
        // Of several servers, the one that takes what is written.
        for url in each_host(url) {
            let mut found = Self::connect_to(&url).await;
            if let Ok(reader) = &mut found
                && reader.read(is_read_only).await.is_ok_and(|only| !only)
            {
                return found;
            }
            last = Some(last.filter(Result::is_ok).unwrap_or(found));
        }
        last.expect("a URL names at least one host")
    }

    async fn connect_to(url: &str) -> anyhow::Result<Self> {
        let own = options(url)?.application_name("ringback doctor");
        let (options, connection, refused) = match open(&own).await {
            Ok(connection) => (own, connection, None),
            Err(error) if is_refusal(&error) => {
                let plain = PgConnectOptions::from_str(url)
                    .context("could not read DATABASE_URL")?
                    .application_name("ringback doctor")
                    .extra_float_digits(None);
                let connection = open(&plain).await.context("could not reach the database")?;
                let message = error.as_database_error().map(|it| it.message().to_owned());
                (plain, connection, message)
            }
            Err(error) => return Err(error).context("could not reach the database"),
        };
        Ok(Self {
            options,
            connection: Some(connection),
            refused,
        })
    }

    /// What a pooler said when it refused what every connection of the program asks for.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// How this connection is made.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Another connection like this one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(super) async fn another(&self) -> Result<PgConnection, sqlx::Error> {
        open(&self.options).await
    }

    /// Looks, in a transaction that may not write and is given up afterwards.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn read<T>(
        &mut self,
        look: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.options).await?,
        };
        let looked = limited_to(LIMIT, async {
            connection.execute("begin").await?;
            connection.execute(LIMITS).await?;
            let looked = look(&mut connection).await;
            // A pooler may give this server process to somebody else, who would trip over what we have prepared.
            connection.clear_cached_statements().await?;
            connection.execute("rollback").await?;
            looked
        })
        .await;
        let is_lost =
            |error| Fault::of(error) == Fault::Away && error.as_database_error().is_none();
        if !looked.as_ref().is_err_and(is_lost) {
            self.connection = Some(connection);
        }
        looked
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            // The server will notice in any case.
            let _ = connection.close().await;
        }
    }
}

async fn open(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    limited_to(CONNECT_LIMIT, options.connect()).await
}

/// A parameter that the other end does not know: Postgres knows all of ours.
fn is_refusal(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "08P01")
}
