//! Who is alive: the rows of workers and gateways.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::recover::LEASE;
use crate::ids::{ClaimId, GatewayId, JobId, WorkerId};
use crate::task::Open;

/// A worker as its row has it.
#[derive(Clone, Debug)]
pub struct WorkerRow {
    /// Its id.
    pub id: WorkerId,
    /// The machine it runs on.
    pub host: String,
    /// The queues it claims from.
    pub queues: Vec<String>,
    /// The tasks it can run.
    pub tasks: Vec<String>,
    /// How many jobs it runs at once.
    pub concurrency: i32,
}

/// A gateway as its row has it.
#[derive(Clone, Debug)]
pub struct GatewayRow {
    /// Its id.
    pub id: GatewayId,
    /// The machine it runs on.
    pub host: String,
    /// The address it serves.
    pub listen: String,
}

/// Says that `worker` lives, whether it was told to stop, and which of its tasks are paused; answers which of the claims it holds are no longer its own.
///
/// # Errors
/// Those of the database.
pub async fn beat(
    connection: &mut PgConnection,
    worker: &WorkerRow,
    stopping: bool,
    held: &[(JobId, ClaimId)],
    paused: &[Open],
) -> Result<Vec<(JobId, ClaimId)>, sqlx::Error> {
    let ids: Vec<Uuid> = held.iter().map(|(id, _)| id.0).collect();
    let claims: Vec<Uuid> = held.iter().map(|(_, claim)| claim.0).collect();
    let tasks: Vec<&str> = paused.iter().map(|open| open.task.as_str()).collect();
    let failures = paused.iter().map(|open| open.failures);
    let failures: Vec<i32> = failures
        .map(|failures| i32::try_from(failures).unwrap_or(i32::MAX))
        .collect();
    // Negative where the time is over and nobody has tried yet.
    let now = Instant::now();
    let remaining = paused.iter().map(|open| {
        let late = now.saturating_duration_since(open.until);
        open.until.saturating_duration_since(now).as_secs_f64() - late.as_secs_f64()
    });
    let remaining: Vec<f64> = remaining.collect();
    let gone = sqlx::query_file!(
        "src/queue/beat.sql",
        worker.id.0,
        worker.host,
        pid(),
        env!("CARGO_PKG_VERSION"),
        &worker.queues,
        worker.concurrency,
        &ids,
        &claims,
        &tasks as _,
        &failures,
        &remaining,
        &worker.tasks,
        stopping
    )
    .fetch_all(connection)
    .await?;
    Ok(gone
        .into_iter()
        .map(|claim| (claim.id, claim.claim_id))
        .collect())
}

/// Those of `tasks` that a living worker other than `worker` can run and has not paused; one that was told to stop runs nothing new.
///
/// # Errors
/// Those of the database.
pub async fn run_elsewhere(
    executor: impl PgExecutor<'_>,
    worker: WorkerId,
    tasks: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select wanted.task as "task!"
        from unnest($2::text[]) as wanted (task)
        where exists (
            select from ringback.worker
            where id <> $1
                and gone_at is null
                and not stopping
                and beat_at > clock_timestamp() - make_interval(secs => $3)
                and wanted.task = any (tasks)
                and (select queue from ringback.task where name = wanted.task) = any (queues)
                and not circuits @> jsonb_build_array(jsonb_build_object('task', wanted.task))
        )
        "#,
        worker.0,
        tasks,
        LEASE.as_secs_f64()
    )
    .fetch_all(executor)
    .await
}

/// Claims that `worker` has in the tables but not in its hands (`held`).
///
/// The claim was committed, but its answer never came. In its first minute it may still be on its way.
///
/// # Errors
/// Those of the database.
pub async fn claims_without_holder(
    connection: &mut PgConnection,
    worker: WorkerId,
    age: Duration,
    held: &[(JobId, ClaimId)],
) -> Result<Vec<(JobId, ClaimId)>, sqlx::Error> {
    let claims: Vec<Uuid> = held.iter().map(|(_, claim)| claim.0).collect();
    let stranded = sqlx::query!(
        r#"
        select id as "id: JobId", claim_id as "claim_id!: ClaimId"
        from ringback.job
        where worker_id = $1
            and state = 'running'
            and started_at <= clock_timestamp() - make_interval(secs => $3)
            and claim_id <> all ($2::uuid[])
        limit 1000
        "#,
        worker.0,
        &claims,
        age.as_secs_f64()
    )
    .fetch_all(connection)
    .await?;
    Ok(stranded
        .into_iter()
        .map(|claim| (claim.id, claim.claim_id))
        .collect())
}

/// Says that `worker` has left: what it may still hold is taken back at the next sweep.
///
/// # Errors
/// Those of the database.
pub async fn worker_left(
    connection: &mut PgConnection,
    worker: WorkerId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update ringback.worker set beat_at = '-infinity' where id = $1",
        worker.0
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// What a gateway hears when it says that it lives.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What stays the same while the fleet can run the same.
    pub tasks: String,
    /// The number of the last notice to the group that it asked about.
    pub last_notice: i64,
}

/// Says that `gateway` lives, and how many sockets it has; answers all that an idle gateway asks now and then, in one
/// statement, so that it asks little.
///
/// # Errors
/// Those of the database.
pub async fn gateway_beat(
    executor: impl PgExecutor<'_>,
    gateway: &GatewayRow,
    sockets: usize,
    group: &str,
) -> Result<Heard, sqlx::Error> {
    let heard = sqlx::query!(
        r#"
        with beat as (
            insert into ringback.gateway (id, host, pid, version, listen, sockets) values ($1, $2, $3, $4, $5, $6)
            on conflict (id) do update set beat_at = clock_timestamp(), sockets = excluded.sockets
        )
        select
            coalesce(
                (select md5(string_agg(name || ' ' || registered_at, ' ' order by name)) from ringback.task), ''
            ) as "tasks!",
            coalesce((select last_number from ringback.notice_group where name = $7), 0) as "last_notice!"
        "#,
        gateway.id.0,
        gateway.host,
        pid(),
        env!("CARGO_PKG_VERSION"),
        gateway.listen,
        i32::try_from(sockets).unwrap_or(i32::MAX),
        group
    )
    .fetch_one(executor)
    .await?;
    Ok(Heard {
        tasks: heard.tasks,
        last_notice: heard.last_notice,
    })
}

/// How many workers have said within a lease that they live.
///
/// # Errors
/// Those of the database.
pub async fn workers_alive(executor: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "alive!" from ringback.worker
        where beat_at > clock_timestamp() - make_interval(secs => $1) and gone_at is null
        "#,
        LEASE.as_secs_f64()
    )
    .fetch_one(executor)
    .await
}

/// How many gateways have said within a lease that they live.
///
/// # Errors
/// Those of the database.
pub async fn gateways_alive(executor: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "alive!" from ringback.gateway
        where beat_at > clock_timestamp() - make_interval(secs => $1)
        "#,
        LEASE.as_secs_f64()
    )
    .fetch_one(executor)
    .await
}

/// The process that is the gateway which serves this address, if one does.
///
/// # Errors
/// Those of the database.
pub async fn gateway_at(
    executor: impl PgExecutor<'_>,
    listen: &str,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "select pid from ringback.gateway where listen = $1 order by beat_at desc limit 1",
        listen
    )
    .fetch_optional(executor)
    .await
}

/// Says that `gateway` has left.
///
/// # Errors
/// Those of the database.
pub async fn gateway_left(
    executor: impl PgExecutor<'_>,
    gateway: GatewayId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from ringback.gateway where id = $1", gateway.0)
        .execute(executor)
        .await
        .map(|_| ())
}

/// The name of this machine.
#[must_use]
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        std::env::var("HOSTNAME").unwrap_or_else(|_| "unknown".to_owned())
    } else {
        name.to_owned()
    }
}

fn pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}
