//! Sessions whose time is over, and their mailboxes: in small batches, between which others go on.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::postgres::link::limited;

/// How long a gateway may be silent before its sessions count as left.
const SILENCE: Duration = Duration::from_secs(300);

/// How many rows of a table one statement changes, at most.
const BATCH: i64 = 1_000;

/// Ends the sessions that were left longer than `keep` ago, with their mailboxes.
///
/// # Errors
/// Those of the database.
pub async fn expire(connection: &mut PgConnection, keep: Duration) -> Result<(), sqlx::Error> {
    while limited(leave_silent_gateways(connection)).await? == BATCH {}
    while limited(end_some(connection, keep)).await? == Ended::Some {}
    empty_lost_mailboxes(connection).await
}

/// Lets go of the sessions of gateways that are gone: their time begins now. Answers of how many.
async fn leave_silent_gateways(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with recursive seat (gateway_id) as (
            -- Each gateway once, however many sessions it has.
            (
                select session.gateway_id from ringback.session
                where session.gateway_id is not null
                order by session.gateway_id
                limit 1
            )
            union all
            select (
                select session.gateway_id from ringback.session
                where session.gateway_id > seat.gateway_id
                order by session.gateway_id
                limit 1
            )
            from seat
            where seat.gateway_id is not null
        ), silent as materialized (
            select seat.gateway_id from seat
            where seat.gateway_id is not null and (
                select gateway.id from ringback.gateway
                where gateway.id = seat.gateway_id
                    and gateway.beat_at > clock_timestamp() - make_interval(secs => $1)
            ) is null
        ), found as materialized (
            select held.id
            from silent
            cross join lateral (
                select session.id from ringback.session
                where session.gateway_id = silent.gateway_id
                limit $2
                for update skip locked
            ) as held
            limit $2
        ), let_go as (
            update ringback.session
            set gateway_id = null, seen_at = clock_timestamp()
            where id = any (array(select id from found))
            returning id
        )
        select count(*) as "left!" from let_go
        "#,
        SILENCE.as_secs_f64(),
        BATCH
    )
    .fetch_one(connection)
    .await
}

/// How many of the sessions have ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All of them.
    All,
    /// As many as are ended at once.
    Some,
}

/// Ends some sessions, or, where their mailboxes hold much, first empties these.
async fn end_some(connection: &mut PgConnection, keep: Duration) -> Result<Ended, sqlx::Error> {
    let done = sqlx::query!(
        r#"
        with over as materialized (
            select id from ringback.session
            where gateway_id is null and seen_at < clock_timestamp() - make_interval(secs => $1)
            order by seen_at
            limit $2
            for update skip locked
        ), mail as materialized (
            select held.at
            from over
            cross join lateral (
                select mailbox.ctid as at from ringback.mailbox
                where mailbox.session_id = over.id
                limit $2
                for update skip locked
            ) as held
            limit $2
        ), emptied as (
            delete from ringback.mailbox where ctid = any (array(select at from mail)) returning session_id
        ), ended as (
            -- A session goes once there is nothing more in the mailboxes.
            delete from ringback.session
            where id = any (array(select id from over where (select count(*) from mail) < $2))
            returning id
        )
        select
            (select count(*) from over) as "over!", (select count(*) from emptied) as "emptied!",
            (select count(*) from ended) as "ended!"
        "#,
        keep.as_secs_f64(),
        BATCH
    )
    .fetch_one(connection)
    .await?;
    let is_more = done.emptied == BATCH || done.ended == BATCH;
    Ok(if is_more { Ended::Some } else { Ended::All })
}

/// Deletes what a job left that ended at the very moment its session did.
async fn empty_lost_mailboxes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let page = sqlx::query!(
            r#"
            with page as materialized (
                select mail.session_id, mail.job_id from ringback.mailbox as mail
                where (mail.session_id, mail.job_id) > ($1, $2)
                order by mail.session_id, mail.job_id
                limit $3
            ), lost as materialized (
                select page.session_id, page.job_id from page
                where (select session.id from ringback.session where session.id = page.session_id) is null
            ), emptied as (
                delete from ringback.mailbox
                where session_id = any (array(select session_id from lost))
                    and ((session_id, job_id) in (select session_id, job_id from lost)) is true
            )
            select session_id as "session_id!", job_id as "job_id!"
            from page
            order by session_id desc, job_id desc
            limit 1
            "#,
            after.0,
            after.1,
            BATCH
        );
        match limited(page.fetch_optional(&mut *connection)).await? {
            Some(last) => after = (last.session_id, last.job_id),
            None => return Ok(()),
        }
    }
}
