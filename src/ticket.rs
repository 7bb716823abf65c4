//! Tickets: what a page buys with a token, because a browser's socket cannot carry one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use sqlx::{PgConnection, PgExecutor};

use crate::auth::{Identity, Scope, Secret};
use crate::postgres::Link;

/// How many one statement deletes, at most.
const BATCH: i64 = 1_000;

/// Sells a ticket that is good for so long; answers when it expires.
///
/// # Errors
/// Those of the database.
pub async fn issue(
    executor: impl PgExecutor<'_>,
    ticket: &Secret,
    identity: &Identity,
    good_for: Duration,
) -> Result<SystemTime, sqlx::Error> {
    let scopes: Vec<&str> = identity.scopes.names().collect();
    let expires = sqlx::query_scalar!(
        r#"
        insert into ringback.ticket (hash, subject, scopes, token_ends_at, expires_at)
        values ($1, $2, $3, to_timestamp($4), clock_timestamp() + make_interval(secs => $5))
        returning extract(epoch from expires_at)::double precision as "expires!"
        "#,
        &ticket.hash(),
        &*identity.subject,
        &scopes as _,
        identity.until.map(seconds),
        good_for.as_secs_f64()
    )
    .fetch_one(executor)
    .await?;
    Ok(time(expires))
}

/// Takes a ticket, which is none afterwards; answers whose it was, where it was good.
///
/// # Errors
/// Those of the database.
pub async fn redeem(
    executor: impl PgExecutor<'_>,
    ticket: &Secret,
) -> Result<Option<Identity>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        with taken as (
            delete from ringback.ticket where hash = $1
            returning subject, scopes, token_ends_at, expires_at
        )
        select subject, scopes, extract(epoch from token_ends_at)::double precision as until
        from taken
        where expires_at > clock_timestamp() and (token_ends_at is null or token_ends_at > clock_timestamp())
        "#,
        &ticket.hash()
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Identity {
        subject: row.subject.into(),
        scopes: row
            .scopes
            .iter()
            .filter_map(|name| Scope::named(name))
            .collect(),
        until: row.until.map(time),
    }))
}

/// Deletes the tickets that nobody has used.
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
            delete from ringback.ticket
            where ctid = any (array(
                select ctid from ringback.ticket
                where expires_at < clock_timestamp()
                limit $1
                for update skip locked
            ))
            "#,
        BATCH
    );
    Ok(deleted.execute(connection).await?.rows_affected() == BATCH.unsigned_abs())
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn time(seconds: f64) -> SystemTime {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
