//! The turn to let go of parts of the history: one process at a time has it, and what others do meanwhile is unhindered.

use sqlx::{Executor, PgConnection};

/// How long a change of partitions waits for readers before it lets go and comes back later.
///
/// Nor does a process that is frozen keep the turn: the server ends its connection.
const LIMITS: &str = "set lock_timeout = '2s'; set idle_session_timeout = '20s'";
const NO_LIMITS: &str = "reset lock_timeout; reset idle_session_timeout";

/// Takes the turn, where nobody else has it; answers whether it is ours.
///
/// # Errors
/// Those of the database.
pub(super) async fn take(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    connection.execute(LIMITS).await?;
    // Of the session and not of a transaction, in which nothing can be detached concurrently.
    let turn = sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('ringback.expire', 0)) as "turn!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !turn {
        connection.execute(NO_LIMITS).await?;
    }
    Ok(turn)
}

/// Gives it back.
///
/// # Errors
/// Those of the database.
pub(super) async fn give_back(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute("select pg_advisory_unlock(hashtextextended('ringback.expire', 0))")
        .await?;
    connection.execute(NO_LIMITS).await.map(|_| ())
}
