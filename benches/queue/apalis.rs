//! apalis' own Postgres storage, as it comes but for its batch: why ours is another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use apalis::prelude::{BoxDynError, TaskSink, WorkerBuilder};
use apalis_core::worker::context::WorkerContext;
use apalis_postgres::{Config, PostgresStorage};
use ringback::bench::queue::BATCH;
use sqlx::PgPool;

/// Jobs a second: stored in batches, and worked off.
pub(crate) struct Rates {
    pub(crate) stored: f64,
    pub(crate) drained: f64,
}

/// Stores so many jobs that have nothing to do, and drains them.
pub(crate) async fn run(url: &str, batch: usize, count: usize) -> Rates {
    let pool = PgPool::connect(url).await.unwrap();
    PostgresStorage::<()>::setup(&pool).await.unwrap();
    let config = Config::default().queue("bench").batch_size(batch);
    let mut storage = PostgresStorage::<usize>::new(&pool).with_config(config);
    let count = count / BATCH * BATCH;
    let started = Instant::now();
    for _ in 0..count / BATCH {
        storage.push_bulk((0..BATCH).collect()).await.unwrap();
    }
    let stored = count as f64 / started.elapsed().as_secs_f64();
    let done = Arc::new(AtomicUsize::new(0));
    let task = move |_: usize, worker: WorkerContext| {
        let all = done.fetch_add(1, Ordering::Relaxed) + 1 == count;
        async move {
            if all {
                worker.stop()?;
            }
            Ok::<_, BoxDynError>(())
        }
    };
    let started = Instant::now();
    WorkerBuilder::new("bench")
        .backend(storage)
        .build(task)
        .run()
        .await
        .unwrap();
    let drained = count as f64 / started.elapsed().as_secs_f64();
    pool.close().await;
    Rates { stored, drained }
}
