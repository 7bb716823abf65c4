//! What the queue does on this machine, as a table: `cargo bench --bench queue`.
//!
//! Beside it, in the same run, what `pgbench` does with the same statements, which is the limit, and what apalis' own
//! Postgres storage does. Everything runs on a throwaway Postgres that syncs every commit. `benches/README.md` has
//! figures, how they are to be read, and the variables that make a run shorter.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and has nobody to give its errors to"
)]

mod apalis;
mod pgbench;
mod snapshot;

use std::time::Duration;

use ringback::bench::Progress;
use ringback::bench::queue::{ALONE, drain, drain_some, fill, one_by_one, start};
use ringback::postgres::Database;
use ringback::postgres::private::{self, Durability};
use ringback::shards::Shards;
use ringback::shutdown::Stop;
use sqlx::{AssertSqlSafe, Executor, PgPool};

/// How many jobs one drain works off, and how many times what is compared is measured.
const JOBS: usize = 100_000;
const TIMES: usize = 3;

/// How many jobs our worker runs at once.
const CONCURRENCY: usize = 1_000;

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
    println!("| | | |\n| --- | --- | --- |");
    bench.against_the_limit().await;
    bench.against_apalis().await;
    bench.alone().await;
    bench.among_many().await;
    bench.beside_a_snapshot().await;
}

impl Bench {
    /// What Postgres alone does with the same statements, in turns with ours.
    async fn against_the_limit(&mut self) {
        let (mut stored, mut drained) = (Vec::new(), Vec::new());
        let (mut most_stored, mut most_drained) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let database = self.database().await;
            stored.push(rate(
                fill(&database, JOBS, &Progress::default()).await.unwrap(),
            ));
            let took = drain(
                &Shards::one(database.clone()),
                JOBS,
                CONCURRENCY,
                &Progress::default(),
            )
            .await;
            drained.push(rate(took.unwrap()));
            if pgbench::is_here() {
                let url = self.migrated().await;
                most_stored.push(pgbench::enqueue(&url, JOBS).await);
                most_drained.push(pgbench::drain(JOBS, async || self.migrated().await).await);
            }
        }
        row(
            "stored in 500s over one connection, jobs/s; of that in pgbench",
            &mut stored,
            &mut most_stored,
        );
        row(
            "drained by one worker process, jobs/s; of that in pgbench, its best",
            &mut drained,
            &mut most_drained,
        );
    }

    async fn against_apalis(&mut self) {
        let jobs = setting("RINGBACK_BENCH_APALIS", 20_000);
        if jobs == 0 {
            return;
        }
        for batch in [10, 1_000] {
            let rates = apalis::run(&self.plain().await, batch, jobs).await;
            println!(
                "| apalis-postgres, batch {batch}, {jobs} jobs, jobs/s: stored, drained | {:.0} | {:.0} |",
                rates.stored, rates.drained
            );
        }
    }

    /// One job at a time.
    async fn alone(&mut self) {
        let database = self.database().await;
        let took = start(&database, ALONE).await.unwrap();
        println!(
            "| from storing one job alone until it starts, ms: p50, p99 | {:.2} | {:.2} |",
            took.p50, took.p99
        );
        let mut asked_for = Vec::new();
        for _ in 0..TIMES {
            let database = self.database().await;
            asked_for.push(rate(
                one_by_one(&database, JOBS, &Progress::default())
                    .await
                    .unwrap(),
            ));
        }
        row(
            "stored one by one for 32 who ask at once, jobs/s",
            &mut asked_for,
            &mut [],
        );
    }

    /// The same drain on a small database, behind a long history, and before many that wait.
    async fn among_many(&mut self) {
        let finished = setting("RINGBACK_BENCH_HISTORY", 5_000_000);
        let waiting = setting("RINGBACK_BENCH_WAITING", 1_000_000);
        let (long, deep) = (self.database().await, self.database().await);
        remember(&long, finished).await;
        fill(&deep, waiting, &Progress::default()).await.unwrap();
        let (mut small, mut behind, mut before) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let empty = self.database().await;
            for (database, rates) in [
                (&empty, &mut small),
                (&long, &mut behind),
                (&deep, &mut before),
            ] {
                fill(database, JOBS, &Progress::default()).await.unwrap();
                self.admin.execute("checkpoint").await.unwrap();
                let took = drain_some(database, JOBS, CONCURRENCY, &Progress::default()).await;
                rates.push(rate(took.unwrap()));
            }
        }
        row(
            &format!("drained with {finished} in the history, jobs/s; of that with none"),
            &mut behind,
            &mut small,
        );
        row(
            &format!("drained with {waiting} more waiting, jobs/s; of that with none"),
            &mut before,
            &mut small,
        );
    }

    async fn beside_a_snapshot(&mut self) {
        let passed = setting("RINGBACK_BENCH_PASSED", 1_000_000);
        let claims = snapshot::run(&self.database().await, passed).await;
        println!(
            "| claim of 500, p50, when {passed} have passed beside a snapshot; of that when fresh | {:.2?} | {:.2} |",
            claims.late,
            claims.late.as_secs_f64() / claims.fresh.as_secs_f64()
        );
        println!(
            "| the same, one claim from the beginning | {:.2?} | |",
            claims.whole
        );
    }

    /// The address of an empty database.
    async fn plain(&mut self) -> String {
        self.number += 1;
        let name = format!("bench_{}", self.number);
        let create = format!("create database {name}");
        self.admin.execute(AssertSqlSafe(create)).await.unwrap();
        self.admin.execute("checkpoint").await.unwrap();
        let (server, _) = self.url.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }

    /// The address of one with our schema.
    async fn migrated(&mut self) -> String {
        let url = self.plain().await;
        let database = Database::new(&url).unwrap();
        database.migrate().await.unwrap();
        database.close().await;
        url
    }

    async fn database(&mut self) -> Database {
        Database::new(&self.migrated().await).unwrap()
    }
}

fn rate(took: Duration) -> f64 {
    JOBS as f64 / took.as_secs_f64()
}

/// The median of some rates, and what part of the median of others it is.
fn row(name: &str, rates: &mut [f64], of: &mut [f64]) {
    let rate = median(rates);
    if of.is_empty() {
        println!("| {name} | {rate:.0} | |");
    } else {
        let of = median(of);
        println!("| {name} | {rate:.0} | {:.2} of {of:.0} |", rate / of);
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A history of jobs that finished one after the other until now.
async fn remember(database: &Database, count: usize) {
    const PORTION: usize = 200_000;
    for from in (0..count).step_by(PORTION) {
        let to = count.min(from + PORTION);
        let insert = format!(
            "insert into ringback.job_history (id, task, task_type, queue, input, state, result, priority, run_at,
                 created_at, attempt, failures, crashes, max_attempts, started_at, finished_at, owner)
             select overlay(gen_random_uuid()::text placing left(ringback.uuid_floor(at)::text, 13) from 1 for 13)::uuid,
                 'a', 'a', 'default', '\"x\"', 'succeeded', '\"y\"', 0, at, at, 1, 0, 0, 5, at, at, 'anonymous'
             from (
                 select now() - make_interval(secs => ({count} - number) / 10000.0) as at
                 from generate_series({from}, {to} - 1) as number
             ) as given"
        );
        let pool = database.pool();
        pool.execute(AssertSqlSafe(insert)).await.unwrap();
    }
    database.pool().execute("checkpoint").await.unwrap();
}
