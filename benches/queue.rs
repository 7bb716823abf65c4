//! What the queue does on this machine, as a small table: `cargo bench --bench queue`.
//!
//! Everything runs on a throwaway Postgres that syncs every commit. `RINGBACK_BENCH_PASSED` is how many jobs pass
//! beside an old snapshot and how many fill the history (1,000,000), `RINGBACK_BENCH_APALIS` how many wait for
//! apalis-postgres (20,000; 0 leaves it out). `benches/README.md` has figures and how they are to be read.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and has nobody to give its errors to"
)]

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, TaskSink, WorkerBuilder};
use apalis_core::worker::context::WorkerContext;
use apalis_postgres::{Config, PostgresStorage};
use ringback::ids::{JobId, JobIds, WorkerId};
use ringback::postgres::private::{self, Durability};
use ringback::postgres::{Database, Link};
use ringback::queue::claim::{Want, claim};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use ringback::queue::{Asker, Cursor, Due, Ended, Ending, NewJob, Try};
use ringback::shutdown::Stop;
use ringback::task::{Task, Tasks};
use ringback::worker::{self, Settings};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use tokio::sync::mpsc;

const NOW: Try = Try {
    again: false,
    hints: true,
};

struct Bench {
    url: String,
    admin: PgPool,
    number: usize,
}

fn main() {
    let folder = std::env::temp_dir().join(format!("ringback-bench-{}", std::process::id()));
    let cluster = private::ensure(&folder, Durability::Full, &Stop::new()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bench = Bench {
            url: cluster.url().to_owned(),
            admin: PgPool::connect(cluster.url()).await.unwrap(),
            number: 0,
        };
        run(bench).await;
    });
    drop(runtime);
    cluster.leave().unwrap();
    // Where it cannot be removed it is the system's to clean up.
    let _ = std::fs::remove_dir_all(folder);
}

async fn run(mut bench: Bench) {
    let passed = setting("RINGBACK_BENCH_PASSED", 1_000_000);
    let waiting = setting("RINGBACK_BENCH_APALIS", 20_000);
    println!("| | |\n| --- | --- |");

    let (mut enqueued, mut drained) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let database = bench.database().await;
        enqueued.push(100_000.0 / fill(&database, 100_000).await.as_secs_f64());
        drained.push(100_000.0 / drain(&database, 100_000).await.as_secs_f64());
    }
    row("enqueue in 500s, jobs/s", median(&mut enqueued));
    row(
        "drain of 100,000 no-ops, one process, jobs/s",
        median(&mut drained),
    );

    let (half, most) = start_latency(&bench.database().await).await;
    println!("| start latency, p50 / p99 | {half:.2?} / {most:.2?} |");

    for batch in [10, 1_000] {
        if waiting > 0 {
            let name = format!("apalis-postgres, batch {batch}: drain of {waiting} no-ops, jobs/s");
            row(
                &name,
                drain_apalis(&bench.plain().await, batch, waiting).await,
            );
        }
    }

    let (fresh, late, whole) = claims_beside_a_snapshot(&bench.database().await, passed).await;
    println!(
        "| claim of 500, p50, fresh / after {passed} passed beside a snapshot | {fresh:.2?} / {late:.2?} ({:.2}); one from the beginning {whole:.2?} |",
        late.as_secs_f64() / fresh.as_secs_f64()
    );

    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for (times, history) in [(&mut empty, 0), (&mut full, passed)] {
        for _ in 0..3 {
            let database = bench.database().await;
            remember(&database, history).await;
            let started = Instant::now();
            fill(&database, 30_000).await;
            drain(&database, 30_000).await;
            times.push(started.elapsed().as_secs_f64());
        }
    }
    let (empty, full) = (median(&mut empty), median(&mut full));
    println!(
        "| 30,000 jobs through an empty database / one with {passed} finished, seconds | {empty:.2} / {full:.2} ({:.2}) |",
        full / empty
    );
}

fn row(name: &str, rate: f64) {
    println!("| {name} | {rate:.0} |");
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Bench {
    /// An empty database.
    async fn plain(&mut self) -> String {
        self.number += 1;
        let name = format!("bench_{}", self.number);
        let create = format!("create database {name}");
        self.admin.execute(AssertSqlSafe(create)).await.unwrap();
        self.admin.execute("checkpoint").await.unwrap();
        let (server, _) = self.url.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }

    /// One with our schema.
    async fn database(&mut self) -> Database {
        let database = Database::new(&self.plain().await).unwrap();
        database.migrate().await.unwrap();
        database
    }
}

fn job(id: JobId) -> NewJob {
    NewJob {
        id,
        task: "nothing".to_owned(),
        task_type: "nothing".to_owned(),
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

async fn enqueue_some(link: &mut Link, ids: &mut JobIds, count: usize) {
    link.connected().await.unwrap();
    let jobs: Vec<NewJob> = (0..count).map(|_| job(ids.next(link.now()))).collect();
    enqueue(link.connected().await.unwrap(), &jobs, NOW)
        .await
        .unwrap();
}

/// Stores jobs in batches of 500 over one connection.
async fn fill(database: &Database, count: usize) -> Duration {
    let mut link = database.link("bench");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    let started = Instant::now();
    for _ in 0..count / 500 {
        enqueue_some(&mut link, &mut ids, 500).await;
    }
    started.elapsed()
}

/// A running worker whose one task says when it is started.
struct Work {
    started: mpsc::Receiver<Instant>,
    stop: Stop,
    worker: std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>,
}

impl Work {
    fn new(database: &Database, room: usize) -> Self {
        let (starts, started) = mpsc::channel(room);
        let task = Task::new("nothing", move |_, _| {
            // Where nobody counts any more, the bench is over.
            let _ = starts.try_send(Instant::now());
            async { Ok(json!("done")) }
        });
        let settings = Settings {
            concurrency: 1_000,
            ..Settings::default()
        };
        let stop = Stop::new();
        let run = worker::run(
            database.clone(),
            Tasks::new().with(task),
            settings,
            stop.clone(),
        );
        Self {
            started,
            stop,
            worker: Box::pin(run),
        }
    }
}

/// Until the last of them is in the history.
async fn drain(database: &Database, count: usize) -> Duration {
    let Work { stop, worker, .. } = Work::new(database, 1);
    let began = Instant::now();
    let watch = async {
        tokio::time::sleep(Duration::from_millis(count as u64 / 200)).await;
        while sqlx::query_scalar::<_, bool>("select exists (select from ringback.job)")
            .fetch_one(database.pool())
            .await
            .unwrap()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = began.elapsed();
        stop.cancel();
        took
    };
    let (worked, took) = futures_util::join!(worker, watch);
    worked.unwrap();
    took
}

/// From before the insert to the first line of the task, one job at a time.
async fn start_latency(database: &Database) -> (Duration, Duration) {
    const JOBS: usize = 1_000;
    let Work {
        mut started,
        stop,
        worker,
    } = Work::new(database, 1);
    let ask = async {
        let mut link = database.link("bench");
        let mut ids = JobIds::default();
        let mut times = Vec::new();
        for _ in 0..JOBS + 50 {
            let asked = Instant::now();
            enqueue_some(&mut link, &mut ids, 1).await;
            times.push(started.recv().await.unwrap() - asked);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        // Without those that still made connections and plans.
        let mut times = times.split_off(50);
        times.sort();
        (times[JOBS / 2], times[JOBS * 99 / 100])
    };
    let (worked, times) = futures_util::join!(worker, ask);
    worked.unwrap();
    times
}

/// The medians of the first and last hundred claims while jobs pass, and one claim from the beginning after them.
async fn claims_beside_a_snapshot(
    database: &Database,
    passed: usize,
) -> (Duration, Duration, Duration) {
    let mut old = sqlx::Acquire::begin(database.pool()).await.unwrap();
    old.execute("set transaction isolation level repeatable read")
        .await
        .unwrap();
    old.execute("set idle_in_transaction_session_timeout = 0")
        .await
        .unwrap();
    old.execute("select count(*) from ringback.job")
        .await
        .unwrap();
    let mut link = database.link("bench");
    let mut ids = JobIds::default();
    let cursor = Mutex::new(Cursor::new(["default".to_owned()]));
    let tasks = ["nothing".to_owned()];
    let mut times = Vec::new();
    for round in 0..=passed / 500 {
        enqueue_some(&mut link, &mut ids, 500).await;
        if round == passed / 500 {
            cursor.lock().unwrap().rewind();
        }
        let connection = link.connected().await.unwrap();
        let started = Instant::now();
        let want = Want::any(WorkerId::random(), &tasks, 500);
        let claimed = claim(connection, &cursor, &want).await.unwrap().jobs;
        times.push(started.elapsed());
        let ended: Vec<Ended> = claimed
            .iter()
            .map(|job| Ended {
                id: job.id,
                claim_id: job.claim_id,
                ending: Ending::Succeeded(json!("done")),
            })
            .collect();
        finish(connection, &ended, NOW).await.unwrap();
    }
    old.rollback().await.unwrap();
    let whole = times.pop().unwrap();
    let half = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    let part = times.len().min(100);
    (
        half(&times[..part]),
        half(&times[times.len() - part..]),
        whole,
    )
}

/// A history of jobs that finished during the last minutes.
async fn remember(database: &Database, count: usize) {
    let insert = format!(
        "insert into ringback.job_history (id, task, task_type, queue, input, state, result, priority, run_at,
             created_at, attempt, failures, crashes, max_attempts, started_at, finished_at, owner)
         select overlay(gen_random_uuid()::text placing left(ringback.uuid_floor(at)::text, 13) from 1 for 13)::uuid,
             'a', 'a', 'default', '\"x\"', 'succeeded', '\"y\"', 0, at, at, 1, 0, 0, 5, at, at, 'anonymous'
         from (select now() - make_interval(secs => number / 1000.0) as at from generate_series(1, {count}) as number)
             as given"
    );
    database
        .pool()
        .execute(AssertSqlSafe(insert))
        .await
        .unwrap();
    database.pool().execute("checkpoint").await.unwrap();
}

/// The same drain by apalis' own Postgres storage, as it comes but for its batch: jobs/s.
async fn drain_apalis(url: &str, batch: usize, count: usize) -> f64 {
    let pool = PgPool::connect(url).await.unwrap();
    PostgresStorage::<()>::setup(&pool).await.unwrap();
    let config = Config::default().queue("bench").batch_size(batch);
    let mut storage = PostgresStorage::<usize>::new(&pool).with_config(config);
    for _ in 0..count / 500 {
        storage.push_bulk((0..500).collect()).await.unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    let task = move |_: usize, worker: WorkerContext| {
        let all = done.fetch_add(1, Ordering::Relaxed) + 1 == count / 500 * 500;
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
    let rate = count as f64 / started.elapsed().as_secs_f64();
    pool.close().await;
    rate
}
