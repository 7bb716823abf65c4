//! The turn to let go of parts of the history: one process at a time has it, and what others do meanwhile is unhindered.

use sqlx::{Executor, PgConnection};

/// Takes the turn, where nobody else has it; answers whether it is ours.
///
/// With it, and not before, come the limits: how long a change of partitions waits for readers before it lets go and comes
/// back later; and that a process which is frozen does not keep the turn, since the server ends its connection.
///
/// # Errors
/// Those of the database.
pub(super) async fn take(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Of the session and not of a transaction, in which nothing can be detached concurrently.
    sqlx::query_scalar!(
        r#"
        with turn as materialized (
            select pg_try_advisory_lock(hashtextextended('ringback.expire', 0)) as ours
        )
        select
            case when ours then
                set_config('lock_timeout', '2s', false) || set_config('idle_session_timeout', '20s', false)
            end is not null as "ours!"
        from turn
        "#
    )
    .fetch_one(connection)
    .await
}

/// Gives it back.
///
/// # Errors
/// Those of the database.
pub(super) async fn give_back(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection
        .execute("select pg_advisory_unlock(hashtextextended('ringback.expire', 0))")
        .await?;
    connection
        .execute("reset lock_timeout; reset idle_session_timeout")
        .await
        .map(|_| ())
}
