//! The partitions of the history: made ahead, and dropped when all they hold has expired.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::ids::JobId;

/// The partitioned tables.
const PARENTS: [&str; 3] = ["job_history", "job_attempt", "job_event"];

/// How long a change of partitions waits for readers before it lets go and comes back later.
///
/// Nor does a process that is frozen keep the turn: the server ends its connection.
const LIMITS: &str = "set lock_timeout = '2s'; set idle_session_timeout = '20s'";
const NO_LIMITS: &str = "reset lock_timeout; reset idle_session_timeout";

/// Makes the partitions of the coming week.
///
/// # Errors
/// Those of the database.
pub async fn make_ahead(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select ringback.make_partitions_ahead()")
        .execute(connection)
        .await
        .map(|_| ())
}

/// Makes the partitions that these ids belong in.
///
/// # Errors
/// Those of the database.
pub async fn make_for(connection: &mut PgConnection, ids: &[JobId]) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        r#"
        select ringback.make_partitions(day)
        from (
            select distinct (ringback.uuid_time(id) at time zone 'UTC')::date as day from unnest($1::uuid[]) as given (id)
        ) as days
        "#,
        &ids
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Makes the partitions that running jobs belong in.
///
/// # Errors
/// Those of the database.
pub(super) async fn make_for_running(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let running = sqlx::query_scalar!(
        r#"
        select id as "id!: JobId" from ringback.job where state = 'running'
        union all
        select id from ringback.job where state = 'waiting'
        "#
    );
    let ids = running.fetch_all(&mut *connection).await?;
    make_for(connection, &ids).await
}

/// Lets go of what finished longer than `keep` ago: whole partitions where nothing else is in them, old rows elsewhere.
///
/// Partitions are detached concurrently and then dropped, which makes no finish wait for a reader; what a reader holds
/// up is left for the next time. One process at a time; the others have nothing to do. Answers how many partitions were
/// dropped.
///
/// # Errors
/// Those of the database.
pub async fn expire(connection: &mut PgConnection, keep: Duration) -> Result<u32, sqlx::Error> {
    connection.execute(LIMITS).await?;
    let expired = expire_in_turn(connection, keep).await;
    connection.execute(NO_LIMITS).await?;
    expired
}

async fn expire_in_turn(connection: &mut PgConnection, keep: Duration) -> Result<u32, sqlx::Error> {
    // Of the session and not of a transaction, in which nothing can be detached concurrently.
    let turn = sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('ringback.expire', 0)) as "turn!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !turn {
        return Ok(0);
    }
    let result = expire_within_limit(connection, keep).await;
    connection
        .execute("select pg_advisory_unlock(hashtextextended('ringback.expire', 0))")
        .await?;
    result
}

async fn expire_within_limit(
    connection: &mut PgConnection,
    keep: Duration,
) -> Result<u32, sqlx::Error> {
    let mut dropped = 0;
    drop_detached(connection, &mut dropped).await?;
    for part in expired(connection, keep).await? {
        // Each name was read from the catalogue, and is quoted by it.
        let detach = format!(
            "alter table {} detach partition {} concurrently",
            part.parent, part.name
        );
        match connection.execute(AssertSqlSafe(detach)).await {
            Ok(_) => drop_one(connection, &part.name, &mut dropped).await?,
            Err(error) if is_lock_timeout(&error) => {
                tracing::info!(partition = %part.name, "a reader holds an expired partition; it is dropped later");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    delete_old_rows(connection, keep).await?;
    Ok(dropped)
}

#[derive(Debug)]
struct Part {
    parent: String,
    name: String,
}

/// Partitions whose range ended before the retention began, in which nothing finished since and nobody's mailbox has
/// anything. Their live jobs, if there are any, need them to finish in. A table lets go of one partition at a time: while a reader
/// holds one up, there are no others.
async fn expired(connection: &mut PgConnection, keep: Duration) -> Result<Vec<Part>, sqlx::Error> {
    let candidates = sqlx::query!(
        r#"
        select
            parent.oid::regclass::text as "parent!", part.oid::regclass::text as "name!", parent.relname as "kind!"
        from pg_inherits
        join pg_class parent on parent.oid = pg_inherits.inhparent
        join pg_class part on part.oid = pg_inherits.inhrelid
        where parent.relnamespace = 'ringback'::regnamespace
            and parent.relname = any ($1)
            and not exists (
                select from pg_inherits held_up where held_up.inhparent = parent.oid and held_up.inhdetachpending
            )
            and to_date(right(part.relname, 8), 'YYYYMMDD') + 1 < (now() - make_interval(secs => $2)) at time zone 'UTC'
            and not exists (
                select from ringback.job
                where job.id >= ringback.uuid_floor(
                        to_date(right(part.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC')
                    and job.id < ringback.uuid_floor(
                        (to_date(right(part.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC')
            )
            and not exists (
                select from ringback.mailbox
                where job_id >= ringback.uuid_floor(
                        to_date(right(part.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC')
                    and job_id < ringback.uuid_floor(
                        (to_date(right(part.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC')
            )
        order by 1, 2
        "#,
        &PARENTS.map(str::to_owned) as _,
        keep.as_secs_f64()
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut expired = Vec::new();
    for part in candidates {
        let ended = match part.kind.as_str() {
            "job_history" => "finished_at",
            "job_attempt" => "ended_at",
            _ => "recorded_at",
        };
        let newer = format!(
            "select exists (select from {} where {ended} >= now() - make_interval(secs => $1))",
            part.name
        );
        let in_use: bool = sqlx::query_scalar(AssertSqlSafe(newer))
            .bind(keep.as_secs_f64())
            .fetch_one(&mut *connection)
            .await?;
        if !in_use {
            expired.push(Part {
                parent: part.parent,
                name: part.name,
            });
        }
    }
    Ok(expired)
}

/// Finishes what an earlier time could not: a detach that a reader held up, a drop after it.
async fn drop_detached(
    connection: &mut PgConnection,
    dropped: &mut u32,
) -> Result<(), sqlx::Error> {
    let pending = sqlx::query!(
        r#"
        select inhparent::regclass::text as "parent!", inhrelid::regclass::text as "name!"
        from pg_inherits
        join pg_class parent on parent.oid = inhparent
        where inhdetachpending and parent.relnamespace = 'ringback'::regnamespace
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    for part in pending {
        let finalize = format!(
            "alter table {} detach partition {} finalize",
            part.parent, part.name
        );
        match connection.execute(AssertSqlSafe(finalize)).await {
            Ok(_) => {}
            Err(error) if is_lock_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let detached = sqlx::query_scalar!(
        r#"
        select part.oid::regclass::text as "name!"
        from pg_class part
        where part.relnamespace = 'ringback'::regnamespace
            and part.relkind = 'r'
            and part.relname ~ '^job_(history|attempt|event)_[0-9]{8}$'
            and not part.relispartition
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    for name in detached {
        drop_one(connection, &name, dropped).await?;
    }
    Ok(())
}

async fn drop_one(
    connection: &mut PgConnection,
    name: &str,
    dropped: &mut u32,
) -> Result<(), sqlx::Error> {
    match connection
        .execute(AssertSqlSafe(format!("drop table {name}")))
        .await
    {
        Ok(_) => {
            tracing::info!(partition = %name, "dropped an expired partition");
            *dropped += 1;
            Ok(())
        }
        Err(error) if is_lock_timeout(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .as_deref()
        == Some("55P03")
}

/// Old rows beside younger ones, in small batches.
async fn delete_old_rows(connection: &mut PgConnection, keep: Duration) -> Result<(), sqlx::Error> {
    // Each batch starts where the last one ended: what that deleted stays in the index for a while.
    let mut after = Uuid::nil();
    loop {
        let batch = sqlx::query!(
            r#"
            with old as (
                select id from ringback.job_history
                where id > $2
                    and id < ringback.uuid_floor(now() - make_interval(secs => $1))
                    and finished_at < now() - make_interval(secs => $1)
                    -- Somebody may still come back for it.
                    and (
                        select mailbox.job_id from ringback.mailbox
                        where mailbox.session_id = job_history.session_id and mailbox.job_id = job_history.id
                    ) is null
                order by id
                limit 1000
                for update skip locked
            ), gone as (
                delete from ringback.job_history using old where job_history.id = old.id returning old.id
            ), attempts as (
                delete from ringback.job_attempt using gone where job_attempt.job_id = gone.id
            ), events as (
                delete from ringback.job_event using gone where job_event.job_id = gone.id
            )
            select count(*) as "deleted!", (select id from gone order by id desc limit 1) as last from gone
            "#,
            keep.as_secs_f64(),
            after
        )
        .fetch_one(&mut *connection)
        .await?;
        match batch.last {
            Some(last) if batch.deleted == 1000 => after = last,
            _ => return Ok(()),
        }
    }
}
