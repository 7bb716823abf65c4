//! What keeps sessions true: who holds which, what goes to another gateway, which are over.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Seat;
use crate::ids::{GatewayId, JobId, SessionId};
use crate::postgres::Fault;

/// How long a session may be held at a gateway that does not know of it: its socket may just be opening or closing.
const OPENING: Duration = Duration::from_secs(60);

/// Says that these sessions have their sockets at `gateway`; answers which of them have gone elsewhere, at which epoch.
///
/// One that a later socket at the same gateway has taken over is not among them: that gateway knows.
///
/// # Errors
/// Those of the database.
pub async fn keep(
    connection: &mut PgConnection,
    gateway: GatewayId,
    held: &[Seat],
) -> Result<Vec<(SessionId, i64)>, sqlx::Error> {
    let sessions: Vec<Uuid> = held.iter().map(|seat| seat.session.0).collect();
    let epochs: Vec<i64> = held.iter().map(|seat| seat.epoch).collect();
    // What another gateway has may have been given back to nobody, while we were silent.
    let gone = sqlx::query!(
        r#"
        with given as materialized (
            select id, epoch from unnest($2::uuid[], $3::bigint[]) as given (id, epoch)
        ), found as materialized (
            select given.id, given.epoch = session.epoch as mine, session.epoch, session.gateway_id
            from given
            cross join lateral (
                select session.epoch, session.gateway_id from ringback.session where session.id = given.id offset 0
            ) as session
        ), kept as (
            update ringback.session
            set gateway_id = $1
            where id = any (array(select id from found where mine and gateway_id is distinct from $1))
        )
        select id as "id!: SessionId", epoch as "epoch!"
        from found
        where not mine and gateway_id is distinct from $1
        "#,
        gateway.0,
        &sessions,
        &epochs
    )
    .fetch_all(connection)
    .await?;
    Ok(gone.into_iter().map(|row| (row.id, row.epoch)).collect())
}

/// Lets go of the sessions that the database has at `gateway` and that have no socket there.
///
/// # Errors
/// Those of the database.
pub async fn let_go(
    connection: &mut PgConnection,
    gateway: GatewayId,
    held: &[Seat],
) -> Result<(), sqlx::Error> {
    let sessions: Vec<Uuid> = held.iter().map(|seat| seat.session.0).collect();
    sqlx::query!(
        r#"
        update ringback.session
        set gateway_id = null, seen_at = clock_timestamp()
        where gateway_id = $1
            -- A look-up in a hash; `<> all` would go through the whole list for each session.
            and (id in (select unnest($2::uuid[]))) is not true
            and seen_at < clock_timestamp() - make_interval(secs => $3)
        "#,
        gateway.0,
        &sessions,
        OPENING.as_secs_f64()
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Lets go of all sessions at `gateway`, which is leaving.
///
/// # Errors
/// Those of the database.
pub async fn leave_all(
    executor: impl PgExecutor<'_>,
    gateway: GatewayId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update ringback.session set gateway_id = null, seen_at = clock_timestamp() where gateway_id = $1",
        gateway.0
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Tells the gateways where these sessions are now that jobs of theirs are over.
///
/// Once: a gateway that is told in this way does not pass it on again.
///
/// # Errors
/// Those of the database.
pub async fn forward(
    connection: &mut PgConnection,
    from: GatewayId,
    jobs: &[(SessionId, JobId)],
) -> Result<(), sqlx::Error> {
    let sessions: Vec<Uuid> = jobs.iter().map(|(session, _)| session.0).collect();
    let ids: Vec<Uuid> = jobs.iter().map(|(_, job)| job.0).collect();
    let forwarded = sqlx::query_scalar!(
        r#"
        select count(ringback.hint('ringback_done_' || replace(gateway_id::text, '-', ''), '+ ' || ids))
        from (
            select session.gateway_id, string_agg(given.job_id::text, ' ') as ids
            from (
                select session_id, job_id, (row_number() over () - 1) / 100 as page
                from unnest($2::uuid[], $3::uuid[]) as given (session_id, job_id)
            ) as given
            cross join lateral (
                select session.gateway_id from ringback.session where session.id = given.session_id offset 0
            ) as session
            where session.gateway_id is not null and session.gateway_id <> $1
            group by session.gateway_id, given.page
        ) as told
        "#,
        from.0,
        &sessions,
        &ids
    )
    .fetch_one(connection)
    .await;
    match forwarded {
        // It is found by polling.
        Err(error) if Fault::is_lost_hint(&error) => Ok(()),
        forwarded => forwarded.map(|_| ()),
    }
}
