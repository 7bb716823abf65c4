//! Letting held jobs through: how that is decided is in the database (`migrations/0009_limits.sql`).

use std::time::Duration;

use sqlx::PgConnection;

use crate::postgres::Fault;

/// Lets through what there is room for; answers after what time to look again, if there is one.
///
/// # Errors
/// Those of the database.
pub async fn admit(connection: &mut PgConnection) -> Result<Option<Duration>, sqlx::Error> {
    let admitted = ask(connection, true).await;
    let seconds = match admitted {
        Err(error) if Fault::is_lost_hint(&error) => ask(connection, false).await?,
        admitted => admitted?,
    };
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

async fn ask(connection: &mut PgConnection, hints: bool) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar!("select ringback.admit($1)", hints)
        .fetch_one(connection)
        .await
}
