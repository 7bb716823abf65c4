//! Sessions whose time is over, and then their mailboxes: in small batches, between which others go on. A session goes
//! first, since one that comes back meanwhile has to find all of its mail.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::postgres::Link;

/// How long a gateway may be silent before its sessions count as left.
const SILENCE: Duration = Duration::from_secs(300);

/// How many rows of a table one statement changes, at most.
const BATCH: i64 = 1_000;

/// Ends the sessions that were left longer than `keep` ago, with their mailboxes.
///
/// # Errors
/// Those of the database.
pub async fn expire(link: &mut Link, keep: Duration) -> Result<(), sqlx::Error> {
    link.run_to_the_end(|connection| leave_silent_gateways(connection).boxed())
        .await?;
    link.run_to_the_end(|connection| end_some(connection, keep).boxed())
        .await?;
    let mut after = Some((Uuid::nil(), Uuid::nil()));
    while let Some(last) = after {
        after = link
            .run(async |connection| empty_lost_mailboxes(connection, last).await)
            .await?;
    }
    Ok(())
}

/// Lets go of the sessions of gateways that are gone: their time begins now. Answers whether there may
/// be more.
async fn leave_silent_gateways(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let left = sqlx::query_scalar!(
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
    .await?;
    Ok(left == BATCH)
}

/// Ends some sessions; answers whether there may be more.
async fn end_some(connection: &mut PgConnection, keep: Duration) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        r#"
        delete from ringback.session
        where ctid = any (array(
            -- A session that somebody has just come back to is looked at again once it is ours, and is not over.
            select over.ctid from ringback.session as over
            where over.gateway_id is null
                and over.seen_at < (select clock_timestamp() - make_interval(secs => $1))
            order by over.seen_at
            limit $2
            for update skip locked
        ))
        "#,
        keep.as_secs_f64(),
        BATCH
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == BATCH.unsigned_abs())
}

/// Deletes the mail of sessions that there are no more, of a page of what comes after a mail: of those that have just
/// ended, and of those that did at the very moment a job of theirs ended. Answers the last mail of the page.
async fn empty_lost_mailboxes(
    connection: &mut PgConnection,
    after: (Uuid, Uuid),
) -> Result<Option<(Uuid, Uuid)>, sqlx::Error> {
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
    let last = page.fetch_optional(connection).await?;
    Ok(last.map(|last| (last.session_id, last.job_id)))
}
