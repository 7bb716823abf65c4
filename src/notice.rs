//! Notices to everyone in a group.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{PgConnection, PgExecutor};

use crate::postgres::{Fault, Link};

/// The channel that says that a group has a new notice: its name.
pub const NOTICE_CHANNEL: &str = "ringback_notice";

/// How many notices are read at once, and of how many bytes before the last of them.
const PAGE: i64 = 100;
const PAGE_BYTES: i64 = 1024 * 1024;

/// How many one statement deletes, at most.
const BATCH: i64 = 1_000;

/// A notice as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its place in its group; numbers commit in their order.
    pub number: i64,
    /// What it says.
    pub content: String,
}

/// Stores a notice to `group`, for `ttl`, and hints every gateway; answers its number.
///
/// # Errors
/// Those of the database.
pub async fn send(
    connection: &mut PgConnection,
    group: &str,
    content: &str,
    ttl: Duration,
) -> Result<i64, sqlx::Error> {
    match insert(connection, group, content, ttl, true).await {
        Err(error) if Fault::is_lost_hint(&error) => {
            insert(connection, group, content, ttl, false).await
        }
        result => result,
    }
}

async fn insert(
    connection: &mut PgConnection,
    group: &str,
    content: &str,
    ttl: Duration,
    hints: bool,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select ringback.notify($1, ttl => make_interval(secs => $2), to_group => $3, with_hints => $4) as "number!"
        "#,
        content,
        ttl.as_secs_f64(),
        group,
        hints
    )
    .fetch_one(connection)
    .await
}

/// The next notices to `group` after `number`, in their order, as many as one reading takes.
///
/// # Errors
/// Those of the database.
pub async fn after(
    executor: impl PgExecutor<'_>,
    group: &str,
    number: i64,
) -> Result<Vec<Notice>, sqlx::Error> {
    sqlx::query_as!(
        Notice,
        r#"
        select number, content
        from (
            select number, content, sum(octet_length(content)) over (order by number) - octet_length(content) as before
            from (
                select number, content from ringback.notice
                where "group" = $1 and number > $2 and expires_at > clock_timestamp()
                order by number
                limit $3
            ) as next
        ) as next
        where before < $4::bigint
        order by number
        "#,
        group,
        number,
        PAGE,
        PAGE_BYTES
    )
    .fetch_all(executor)
    .await
}

/// Deletes what nobody may read any more.
///
/// # Errors
/// Those of the database.
pub async fn expire(link: &mut Link) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| expire_some(connection).boxed())
        .await
}

/// Some of it; answers whether there may be more.
async fn expire_some(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"
            delete from ringback.notice
            where ctid = any (array(
                select ctid from ringback.notice
                where expires_at < clock_timestamp()
                limit $1
                for update skip locked
            ))
            "#,
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}
