//! How the whole system is: what an operator looks at.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{PgConnection, PgExecutor};

use super::jobs::time;
use super::{queues, samples, stats};
use crate::ids::{GatewayId, JobId, WorkerId};
use crate::wire::{Gateway, Overview, RunningJob, Worker};

/// For how long somebody who is silent is still shown.
const SHOWN: Duration = Duration::from_secs(60);

/// How many of its jobs a worker is shown with.
const JOBS_SHOWN: i64 = 5;

/// How the whole system is now.
///
/// # Errors
/// Those of the database.
pub async fn overview(connection: &mut PgConnection) -> Result<Overview, sqlx::Error> {
    let (at, live) = stats::live(&mut *connection).await?;
    Ok(Overview {
        at,
        live,
        tasks: tasks(&mut *connection).await?,
        queues: queues::all(&mut *connection).await?,
        workers: workers(&mut *connection).await?,
        gateways: gateways(&mut *connection).await?,
        sample: samples::newest(connection).await?,
        next_in: None,
    })
}

async fn tasks(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("select name from ringback.task order by name")
        .fetch_all(executor)
        .await
}

async fn workers(executor: impl PgExecutor<'_>) -> Result<Vec<Worker>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select
            worker.id as "id: WorkerId", host, pid, version, queues, concurrency,
            (extract(epoch from worker.started_at) * 1000000)::bigint as "started_at!",
            (extract(epoch from beat_at) * 1000000)::bigint as "beat_at!",
            (
                select count(*) from ringback.job
                where job.worker_id = worker.id and job.state = 'running'
            ) as "running!",
            (
                select coalesce(json_agg(longest), '[]')::text
                from (
                    select job.id, job.task, (extract(epoch from job.started_at) * 1000000)::bigint as started_at
                    from ringback.job
                    where job.worker_id = worker.id and job.state = 'running'
                    order by job.started_at
                    limit $2
                ) as longest
            ) as "jobs!",
            circuits::text as "circuits!"
        from ringback.worker
        where beat_at > clock_timestamp() - make_interval(secs => $1) and gone_at is null
        order by worker.started_at, worker.id
        "#,
        SHOWN.as_secs_f64(),
        JOBS_SHOWN
    )
    .fetch_all(executor)
    .await?;
    let workers = rows.into_iter().map(|row| {
        Ok(Worker {
            id: row.id,
            host: row.host,
            pid: row.pid,
            version: row.version,
            queues: row.queues,
            concurrency: row.concurrency,
            started_at: time(row.started_at)?,
            beat_at: time(row.beat_at)?,
            running: row.running,
            jobs: running(&row.jobs)?,
            circuits: serde_json::from_str(&row.circuits)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
        })
    });
    workers.collect()
}

fn running(jobs: &str) -> Result<Vec<RunningJob>, sqlx::Error> {
    #[derive(Deserialize)]
    struct Row {
        id: JobId,
        task: String,
        started_at: i64,
    }
    let rows: Vec<Row> =
        serde_json::from_str(jobs).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let jobs = rows.into_iter().map(|row| {
        Ok(RunningJob {
            id: row.id,
            task: row.task,
            started_at: time(row.started_at)?,
        })
    });
    jobs.collect()
}

async fn gateways(executor: impl PgExecutor<'_>) -> Result<Vec<Gateway>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select
            gateway.id as "id: GatewayId", host, pid, version, listen, sockets,
            (extract(epoch from started_at) * 1000000)::bigint as "started_at!",
            (extract(epoch from beat_at) * 1000000)::bigint as "beat_at!",
            (select count(*) from ringback.session where session.gateway_id = gateway.id) as "sessions!"
        from ringback.gateway
        where beat_at > clock_timestamp() - make_interval(secs => $1)
        order by started_at, gateway.id
        "#,
        SHOWN.as_secs_f64()
    )
    .fetch_all(executor)
    .await?;
    let gateways = rows.into_iter().map(|row| {
        Ok(Gateway {
            id: row.id,
            host: row.host,
            pid: row.pid,
            version: row.version,
            listen: row.listen,
            started_at: time(row.started_at)?,
            beat_at: time(row.beat_at)?,
            sockets: row.sockets,
            sessions: row.sessions,
        })
    });
    gateways.collect()
}
