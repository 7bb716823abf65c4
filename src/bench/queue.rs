//! The queue without sockets: how fast jobs are stored and worked off, and how soon one alone starts.
//!
//! It works on a database of its own: whatever waits there is taken for its jobs.

mod drain;

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Latency, Progress, rate};
use crate::gateway::apart::Desk;
use crate::ids::{JobId, JobIds};
use crate::postgres::{Database, Link};
use crate::queue::enqueue::enqueue;
use crate::queue::tasks::KnownTask;
use crate::queue::{Asker, Claimed, Due, Ended, Ending, NewJob, Try};
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::task::{DEFAULT_QUEUE, Schema, from_fn};
use crate::wire::TaskPayload;

use drain::working;
pub use drain::{drain, drain_some};

/// What the jobs are.
pub const TASK: &str = "nothing";

/// How many are stored together.
pub const BATCH: usize = 500;

/// How many ask at once when each asks for one job.
const AT_ONCE: usize = 32;

/// How many jobs are timed one by one, at most, after some that still make connections and plans.
pub const ALONE: usize = 1_000;
const BEFORE: usize = 50;

/// What is asked of the queue.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// How many jobs.
    pub jobs: usize,
    /// How many of them a worker runs at once.
    pub concurrency: usize,
    /// Among how many databases they are spread.
    pub shards: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// How many were stored in a second, in batches over one connection.
    pub enqueued_per_second: f64,
    /// How many were stored in a second when each asks for one and waits for it, so many at once.
    pub enqueued_one_by_one_per_second: f64,
    /// How many a worker has worked off in a second, from its start until the last was recorded.
    pub drained_per_second: f64,
    /// From before one job alone is stored until its task starts.
    pub start: Latency,
}

/// Runs the load.
///
/// # Errors
/// Those of the database.
pub async fn run(
    databases: &Shards<Database>,
    load: &Load,
    progress: &Progress,
) -> anyhow::Result<Found> {
    let each = databases.map_each(|place, database| (database, place.part_of(load.jobs)));
    let filling = each.iter();
    let filling = filling.map(|(database, jobs)| fill(database, *jobs, progress));
    let enqueued = slowest(try_join_all(filling).await?);
    let drained = drain(databases, load.jobs, load.concurrency, progress).await?;
    let first = databases.at(1).context("there is no database")?;
    let start = start(first, load.jobs.min(ALONE)).await?;
    // Last, since nobody works these off.
    let asking = each.iter();
    let asking = asking.map(|(database, jobs)| one_by_one(database, *jobs, progress));
    let asked_for = slowest(try_join_all(asking).await?);
    Ok(Found {
        enqueued_per_second: rate(load.jobs, enqueued),
        enqueued_one_by_one_per_second: rate(load.jobs, asked_for),
        drained_per_second: rate(load.jobs, drained),
        start,
    })
}

fn slowest(times: Vec<Duration>) -> Duration {
    times.into_iter().max().unwrap_or_default()
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
        traceparent: None,
        asker: Asker::nobody(),
        key: None,
    }
}

/// The outcome of a job that had nothing to do.
#[must_use]
pub fn done(job: &Claimed) -> Ended {
    Ended {
        id: job.id,
        claim_id: job.claim_id,
        ending: Ending::succeeded(json!("done")),
    }
}

/// Stores jobs, all in one statement.
///
/// # Errors
/// Those of the database.
pub async fn store(link: &mut Link, ids: &mut JobIds, count: usize) -> anyhow::Result<()> {
    link.ready().await.context("could not connect")?;
    let jobs: Vec<NewJob> = (0..count).map(|_| job(ids.next(link.now()))).collect();
    let stored = link.run(async |connection| enqueue(connection, &jobs, Try::FIRST).await);
    stored.await.map(|_| ()).context("could not store jobs")
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
    link.ready().await.context("could not connect")?;
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

/// Stores jobs as a gateway does, for 32 who ask at once, each for one job after the other; answers how long that took.
///
/// # Errors
/// Those of the database.
pub async fn one_by_one(
    database: &Database,
    count: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let task = KnownTask {
        name: TASK.to_owned(),
        queue: DEFAULT_QUEUE.to_owned(),
        input: Schema::anything(),
        output: Schema::anything(),
    };
    let last = Stop::new();
    let (desk, intake) = Desk::open(database, task, last.clone());
    let mut running = JoinSet::new();
    running.spawn(intake);
    let began = Instant::now();
    let mut asking = JoinSet::new();
    for number in 0..AT_ONCE {
        let (desk, progress) = (desk.clone(), progress.clone());
        let jobs = count / AT_ONCE + usize::from(number < count % AT_ONCE);
        asking.spawn(async move {
            for _ in 0..jobs {
                desk.submit(TaskPayload {
                    task_type: TASK.to_owned(),
                    content: Some("hello".to_owned()),
                    ..TaskPayload::default()
                })
                .await?;
                progress.add(1);
            }
            anyhow::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.context("one who asks has panicked")??;
    }
    let took = began.elapsed();
    last.cancel();
    while let Some(ended) = running.join_next().await {
        ended.context("the intake has panicked")??;
    }
    Ok(took)
}

/// From before one job alone is stored until its task starts, for so many.
///
/// # Errors
/// Those of the database.
pub async fn start(database: &Database, jobs: usize) -> anyhow::Result<Latency> {
    let (starts, mut started) = mpsc::channel(1);
    let task = from_fn(TASK, move |_: Value, _| {
        // Where nobody counts any more, the load is over.
        let _ = starts.try_send(Instant::now());
        async { Ok("done") }
    });
    let stop = Stop::new();
    let worker = working(database.clone().into(), task, 10, &stop);
    let asking = async {
        let mut link = database.link("bench");
        let mut ids = JobIds::default();
        let mut times = Vec::new();
        for _ in 0..jobs + BEFORE {
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
