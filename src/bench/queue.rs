//! The queue without sockets: how fast jobs are stored and worked off, and how soon one alone starts.
//!
//! It works on a database of its own: whatever waits there is taken for its jobs.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::{Latency, Progress, rate};
use crate::ids::{JobId, JobIds};
use crate::postgres::{Database, Link};
use crate::queue::enqueue::enqueue;
use crate::queue::{Asker, Due, NewJob, Try, stats};
use crate::shutdown::Stop;
use crate::task::{Task, Tasks};
use crate::worker::{self, Settings};

/// What the jobs are.
pub const TASK: &str = "nothing";

/// How many are stored together.
pub const BATCH: usize = 500;

/// How many jobs are timed one by one, after some that still make connections and plans.
const ALONE: usize = 1_000;
const BEFORE: usize = 50;

/// How often it is seen whether everything is done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is asked of the queue.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// How many jobs.
    pub jobs: usize,
    /// How many of them a worker runs at once.
    pub concurrency: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// How many were stored in a second, in batches over one connection.
    pub enqueued_per_second: f64,
    /// How many a worker has worked off in a second, from its start until the last was recorded.
    pub drained_per_second: f64,
    /// From before one job alone is stored until its task starts.
    pub start: Latency,
}

/// Runs the load.
///
/// # Errors
/// Those of the database.
pub async fn run(database: &Database, load: &Load, progress: &Progress) -> anyhow::Result<Found> {
    let enqueued = fill(database, load.jobs, progress).await?;
    let drained = drain(database, load.jobs, load.concurrency, progress).await?;
    Ok(Found {
        enqueued_per_second: rate(load.jobs, enqueued),
        drained_per_second: rate(load.jobs, drained),
        start: start(database).await?,
    })
}

/// A job that has nothing to do.
#[must_use]
pub fn job(id: JobId) -> NewJob {
    NewJob {
        id,
        task: TASK.to_owned(),
        task_type: TASK.to_owned(),
        queue: "default".to_owned(),
        input: json!("hello"),
        priority: 0,
        max_attempts: Some(5),
        due: Due::Now,
        concurrency_key: None,
        stream: false,
        asker: Asker::nobody(),
        key: None,
    }
}

/// Stores jobs, all in one statement.
///
/// # Errors
/// Those of the database.
pub async fn store(link: &mut Link, ids: &mut JobIds, count: usize) -> anyhow::Result<()> {
    link.connected().await.context("could not connect")?;
    let jobs: Vec<NewJob> = (0..count).map(|_| job(ids.next(link.now()))).collect();
    let this = Try {
        again: false,
        hints: true,
    };
    let connection = link.connected().await.context("could not connect")?;
    let stored = enqueue(connection, &jobs, this).await;
    stored.map(|_| ()).context("could not store jobs")
}

/// Stores jobs in batches over one connection; answers how long that took.
///
/// # Errors
/// Those of the database.
pub async fn fill(
    database: &Database,
    count: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let mut link = database.link("bench");
    let mut ids = JobIds::default();
    link.connected().await.context("could not connect")?;
    let began = Instant::now();
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        store(&mut link, &mut ids, batch).await?;
        progress.add(batch);
        left -= batch;
    }
    let took = began.elapsed();
    link.close().await;
    Ok(took)
}

/// Works off so many jobs, which are all that there is; answers how long that took, from the worker's start until the last was recorded.
///
/// # Errors
/// Those of the database.
pub async fn drain(
    database: &Database,
    jobs: usize,
    concurrency: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let before = progress.done();
    let task = {
        let progress = progress.clone();
        Task::new(TASK, move |_, _| {
            progress.add(1);
            async { Ok(json!("done")) }
        })
    };
    let stop = Stop::new();
    let worker = working(database, task, concurrency, &stop);
    let began = Instant::now();
    let watching = async {
        // The database is asked only when all of them have been started, so as not to be what is measured.
        while progress.done() < before + u64::try_from(jobs).unwrap_or(u64::MAX) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        loop {
            let mut connection = database.pool().acquire().await?;
            let left = stats::stats(&mut connection).await?.live;
            if left.ready + left.running == 0 {
                stop.cancel();
                return Ok::<_, sqlx::Error>(began.elapsed());
            }
            drop(connection);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let (worked, took) = futures_util::join!(worker, watching);
    worked?;
    took.context("could not see how far the worker is")
}

/// From before one job alone is stored until its task starts.
///
/// # Errors
/// Those of the database.
pub async fn start(database: &Database) -> anyhow::Result<Latency> {
    let (starts, mut started) = mpsc::channel(1);
    let task = Task::new(TASK, move |_, _| {
        // Where nobody counts any more, the load is over.
        let _ = starts.try_send(Instant::now());
        async { Ok(json!("done")) }
    });
    let stop = Stop::new();
    let worker = working(database, task, 10, &stop);
    let asking = async {
        let mut link = database.link("bench");
        let mut ids = JobIds::default();
        let mut times = Vec::new();
        for _ in 0..ALONE + BEFORE {
            let asked = Instant::now();
            store(&mut link, &mut ids, 1).await?;
            let started = started.recv().await.context("the worker has ended")?;
            times.push(started - asked);
            // So that the one before is recorded, and everybody waits.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        link.close().await;
        anyhow::Ok(Latency::of(times.split_off(BEFORE)))
    };
    let (worked, found) = futures_util::join!(worker, asking);
    worked?;
    found
}

fn working(
    database: &Database,
    task: Task,
    concurrency: usize,
    stop: &Stop,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let settings = Settings {
        concurrency,
        ..Settings::default()
    };
    worker::run(
        database.clone(),
        Tasks::new().with(task),
        settings,
        stop.clone(),
    )
}
