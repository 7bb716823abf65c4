//! Working jobs off.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::TASK;
use crate::bench::Progress;
use crate::postgres::Database;
use crate::queue::stats;
use crate::shutdown::Stop;
use crate::task::{Kind, Tasks, from_fn};
use crate::worker::{self, Settings};

/// How often it is seen whether everything is done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Works off so many jobs, which are all that there is; answers how long that took, from the worker's start until the
/// last was recorded.
///
/// # Errors
/// Those of the database.
pub async fn drain(
    database: &Database,
    jobs: usize,
    concurrency: usize,
    progress: &Progress,
) -> anyhow::Result<Duration> {
    work_off(database, jobs, concurrency, progress, async || {
        loop {
            let mut connection = database.pool().acquire().await?;
            let left = stats::stats(&mut connection).await?.live;
            if left.ready + left.running == 0 {
                return Ok(());
            }
            drop(connection);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await
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
    work_off(database, jobs, concurrency, progress, async || Ok(())).await
}

/// Runs a worker until so many jobs have been run, and `then` has ended.
async fn work_off(
    database: &Database,
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
    let worker = working(database, task, concurrency, &stop);
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
    database: &Database,
    task: Kind,
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
