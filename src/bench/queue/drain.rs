//! Working jobs off.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::TASK;
use crate::bench::Progress;
use crate::postgres::{Database, Shard};
use crate::queue::stats;
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::task::{Kind, Tasks, from_fn};
use crate::worker::{self, Settings};

/// How often it is seen whether everything is done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Works off so many jobs, which are all that there are in these shards; answers how long that took, from the worker's
/// start until the last was recorded.
///
/// # Errors
/// Those of the databases.
pub async fn drain(
    databases: &Shards<Database>,
    jobs: usize,
    concurrency: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let shards = databases.map_each(|_, database| Shard::there(database.clone()));
    work_off(shards, jobs, concurrency, progress, async || {
        for database in databases.iter() {
            empty(database).await?;
        }
        Ok(())
    })
    .await
}

/// Waits until there is nothing to do.
async fn empty(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let stats = database.run(async |connection| stats::stats(connection).await);
        let left = stats.await?.live;
        if left.ready + left.running == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Works off so many of the jobs that there are; answers how long that took, from the worker's start until the last of
/// them was run.
///
/// # Errors
/// Those of the database.
pub async fn drain_some(
    database: &Database,
    jobs: usize,
    concurrency: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    let shards = database.clone().into();
    work_off(shards, jobs, concurrency, progress, async || Ok(())).await
}

/// Runs a worker until so many jobs have been run, and `then` has ended.
async fn work_off(
    shards: Shards<Shard>,
    jobs: usize,
    concurrency: usize,
    progress: &Progress,
    then: impl AsyncFnOnce() -> Result<(), sqlx::Error>,
) -> anyhow::Result<Duration> {
    let all = progress.done() + u64::try_from(jobs).unwrap_or(u64::MAX);
    let task = {
        let progress = progress.clone();
        from_fn(TASK, move |_: Value, _| {
            progress.add(1);
            async { Ok("done") }
        })
    };
    let stop = Stop::new();
    let worker = working(shards, task, concurrency, &stop);
    let began = Instant::now();
    let watching = async {
        // The database is not asked before that, so as not to be what is measured.
        while progress.done() < all {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        then().await?;
        stop.cancel();
        Ok::<_, sqlx::Error>(began.elapsed())
    };
    let (worked, took) = futures_util::join!(worker, watching);
    worked?;
    took.context("could not see how far the worker is")
}

/// A worker that can run this task, so many at once.
pub(super) fn working(
    shards: Shards<Shard>,
    task: Kind,
    concurrency: usize,
    stop: &Stop,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let settings = Settings {
        concurrency,
        ..Settings::default()
    };
    worker::run(shards, Tasks::new().with(task), settings, stop.clone())
}
