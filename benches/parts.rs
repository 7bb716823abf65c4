//! How long the parts of the hot path take: `cargo bench --bench parts`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench has nobody to give its errors to, and its macros make undocumented functions"
)]

use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringback::bench::queue::{BATCH, TASK, done, store};
use ringback::gateway::apart::Sockets;
use ringback::ids::{JobIds, WorkerId};
use ringback::postgres::private::{self, Durability};
use ringback::postgres::{Database, Link};
use ringback::queue::claim::{Want, claim};
use ringback::queue::finish::finish;
use ringback::queue::{Cursor, Ended, Try};
use ringback::shutdown::Stop;
use ringback::wire::parse;

const SUBMISSION: &str = r#"{"action":"system_message","payload":{"task_type":"translate","content":"Hello, my dear friend!"},"ref":"17"}"#;

/// How many sockets a notice goes to.
const SOCKETS: u64 = 1_000;

fn frames(criterion: &mut Criterion) {
    criterion.bench_function("parse a submission", |bencher| {
        bencher.iter(|| parse(black_box(SUBMISSION)));
    });
}

fn hub(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(SOCKETS));
    let sockets = || Sockets::new(usize::try_from(SOCKETS).unwrap());
    let mut all = sockets();
    group.bench_function("a notice to 1,000 sockets", |bencher| {
        bencher.iter(|| {
            all.notify("Maintenance in five minutes");
            all.take()
        });
    });
    group.bench_function("an outcome to each of 1,000 sockets", |bencher| {
        bencher.iter_batched_ref(
            sockets,
            |sockets| {
                sockets.deliver();
                sockets.take()
            },
            BatchSize::LargeInput,
        );
    });
}

/// A worker that claims and ends, statement by statement, on one connection.
struct Work {
    link: Link,
    ids: JobIds,
    cursor: Mutex<Cursor>,
}

impl Work {
    fn new(database: &Database) -> Self {
        Self {
            link: database.link("bench"),
            ids: JobIds::default(),
            cursor: Mutex::new(Cursor::new(["default".to_owned()])),
        }
    }

    /// How long so many batches take to be claimed, and to be ended.
    async fn run(&mut self, batches: u64) -> (Duration, Duration) {
        let (mut claims, mut ends) = (Duration::ZERO, Duration::ZERO);
        let tasks = [TASK.to_owned()];
        for _ in 0..batches {
            store(&mut self.link, &mut self.ids, BATCH).await.unwrap();
            let connection = self.link.connected().await.unwrap();
            let want = Want::any(WorkerId::random(), &tasks, BATCH);
            let began = Instant::now();
            let claimed = claim(connection, &self.cursor, &want).await.unwrap().jobs;
            claims += began.elapsed();
            assert_eq!(claimed.len(), BATCH);
            let ended: Vec<Ended> = claimed.iter().map(done).collect();
            let began = Instant::now();
            finish(connection, &ended, Try::FIRST).await.unwrap();
            ends += began.elapsed();
        }
        (claims, ends)
    }
}

fn queue(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("ringback-parts-{}", std::process::id()));
    let cluster = private::ensure(&folder, Durability::Full, &Stop::new()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = {
        let _inside = runtime.enter();
        Database::new(cluster.url()).unwrap()
    };
    runtime.block_on(database.migrate()).unwrap();
    let mut work = Work::new(&database);
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(u64::try_from(BATCH).unwrap()));
    group.sample_size(20);
    group.bench_function("claim 500", |bencher| {
        bencher.iter_custom(|batches| runtime.block_on(work.run(batches)).0);
    });
    group.bench_function("finish 500", |bencher| {
        bencher.iter_custom(|batches| runtime.block_on(work.run(batches)).1);
    });
    group.finish();
    runtime.block_on(async {
        work.link.close().await;
        database.close().await;
    });
    drop(runtime);
    cluster.leave().unwrap();
    private::discard(&folder).unwrap();
}

criterion_group!(parts, frames, hub, queue);
criterion_main!(parts);
