//! What is between this program and Postgres: whether a pooler hands one connection to several server processes, and
//! whether a hint comes through.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::Instant;
use uuid::Uuid;

use super::Reader;
use super::link::limited_to;

/// How often two connections are watched beside each other: a pooler gives the process that was freed last.
const ROUNDS: usize = 3;

/// How long a hint may be on its way; it takes a few milliseconds.
const HINT_LIMIT: Duration = Duration::from_secs(2);

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(8);

/// What was found on the way.
#[derive(Clone, Debug)]
pub struct Way {
    /// One connection is served by several server processes, one after another: what is set, listened to or prepared
    /// on it is not there the next time.
    pub is_shared: bool,
    /// The settings that are asked for at the start of a connection are not there.
    pub drops_settings: bool,
    /// How long a hint took, where it came.
    pub hint: Option<Duration>,
}

/// Looks at the way to the database. It opens three connections for a moment, and sends one hint that nobody else hears.
///
/// # Errors
/// Those of the database.
pub async fn way(reader: &Reader) -> Result<Way, sqlx::Error> {
    // Boxed, since it is large and made once.
    Box::pin(limited_to(LIMIT, async {
        let mut one = reader.another().await?;
        let mut other = reader.another().await?;
        let is_shared = is_shared(&mut one, &mut other).await?;
        let setting = one
            .fetch_one("select current_setting('plan_cache_mode')")
            .await?;
        let drops_settings = setting.get::<&str, _>(0) != "force_generic_plan";
        // What listens on a shared process would stay there.
        let hint = match is_shared {
            true => None,
            false => hint(reader, &mut one).await,
        };
        let _ = one.close().await;
        let _ = other.close().await;
        Ok(Way {
            is_shared,
            drops_settings,
            hint,
        })
    }))
    .await
}

/// Two connections that are open at once have two server processes, and keep them; unless somebody hands them out.
pub(super) async fn is_shared(
    one: &mut PgConnection,
    other: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    for _ in 0..ROUNDS {
        let first = process(one).await?;
        let mut transaction = match other.begin().await {
            Ok(transaction) => transaction,
            // A pooler that gives a process for each statement allows no transactions.
            Err(error) => return error.as_database_error().map(|_| true).ok_or(error),
        };
        let beside = process(&mut transaction).await?;
        let then = process(one).await?;
        transaction.rollback().await?;
        if first == beside || first != then {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The server process that serves the connection now.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // Nothing is prepared for it, since that might be elsewhere the next time.
    let row = connection.fetch_one("select pg_backend_pid()").await?;
    Ok(row.get(0))
}

/// How long a hint takes from one connection to another; none, if it does not come.
async fn hint(reader: &Reader, sender: &mut PgConnection) -> Option<Duration> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(reader.options().clone());
    let channel = format!("ringback_doctor_{}", Uuid::new_v4().simple());
    let heard = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(&channel).await?;
        let sent = Instant::now();
        let notify = format!("notify {channel}");
        sender.execute(AssertSqlSafe(notify)).await?;
        listener.recv().await?;
        Ok(sent.elapsed())
    };
    let heard = limited_to(HINT_LIMIT, heard).await;
    pool.close().await;
    heard.ok()
}
