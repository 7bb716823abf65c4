//! What Postgres itself can do with our statements: `pgbench` runs them, with nothing of ours beside it.
//!
//! The texts are those of `src/queue/`; where they have parameters, `pgbench` has what makes their values cost least.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringback::bench::queue::BATCH;
use sqlx::{AssertSqlSafe, Executor, PgPool};

const ENQUEUE: &str = include_str!("../../src/queue/enqueue.sql");
const CLAIM: &str = include_str!("../../src/queue/claim.sql");
const FINISH: &str = include_str!("../../src/queue/finish.sql");

/// The settings of our own connections that change how statements are planned.
const OPTIONS: &str = "-c enable_seqscan=off -c enable_mergejoin=off -c jit=off -c plan_cache_mode=force_generic_plan";

/// How many connections are tried; the best counts.
const CLIENTS: [usize; 3] = [1, 2, 4];

/// The most batches that one connection stores.
const ROUNDS: usize = 1_000;

/// Whether there is a `pgbench`.
pub(crate) fn is_here() -> bool {
    program().is_some()
}

/// Jobs stored in a second, by batches, over one connection.
pub(crate) async fn enqueue(url: &str, jobs: usize) -> f64 {
    prepare(url, jobs).await;
    run(url, &enqueue_script(), 1, jobs / BATCH)
}

/// Jobs claimed and ended in a second, by batches, over as many connections as does best; `fresh` makes a database.
pub(crate) async fn drain(jobs: usize, mut fresh: impl AsyncFnMut() -> String) -> f64 {
    let mut best = 0.0_f64;
    for clients in CLIENTS {
        let url = fresh().await;
        prepare(&url, jobs).await;
        run(&url, &enqueue_script(), 1, jobs / BATCH);
        best = best.max(run(&url, &drain_script(), clients, jobs / BATCH / clients));
    }
    best
}

/// The ids of the jobs, made beforehand: `pgbench` can make no arrays.
async fn prepare(url: &str, jobs: usize) {
    let rounds = jobs / BATCH;
    assert!(rounds <= ROUNDS, "at most {} jobs", ROUNDS * BATCH);
    let pool = PgPool::connect(url).await.unwrap();
    let given = format!(
        "create table given as
         select round, array_agg(ringback.uuid_new()) as ids
         from generate_series(1, {rounds}) as round, generate_series(1, {BATCH})
         group by round"
    );
    pool.execute(AssertSqlSafe(given)).await.unwrap();
    pool.execute("create unique index on given (round)")
        .await
        .unwrap();
    pool.execute("vacuum analyze given").await.unwrap();
    pool.execute("checkpoint").await.unwrap();
    pool.close().await;
}

fn enqueue_script() -> String {
    let all = |value: &str| format!("array_fill({value}, array[{BATCH}])");
    let none = || "'{}'".to_owned();
    let statement = with_values(
        ENQUEUE,
        &[
            "(select ids from given where round = :round)".to_owned(),
            all("'nothing'::text"),
            all("'nothing'::text"),
            all("'default'::text"),
            all("'\"hello\"'::text"),
            none(),
            all("5"),
            none(),
            none(),
            none(),
            none(),
            none(),
            none(),
            all("'anonymous'::text"),
            none(),
            none(),
            none(),
            "false".to_owned(),
            "true".to_owned(),
            none(),
            "false".to_owned(),
        ],
    );
    format!("\\set round :round + 1\n{statement};\n")
}

fn drain_script() -> String {
    let claim = with_values(
        CLAIM,
        &[
            "array['default']".to_owned(),
            "array[:rank]".to_owned(),
            "array['00000000-0000-0000-0000-000000000000']".to_owned(),
            "'00000000-0000-0000-0000-000000000001'".to_owned(),
            "array['nothing']".to_owned(),
            format!("array[{BATCH}]"),
            "true".to_owned(),
            BATCH.to_string(),
        ],
    );
    // What the claim answers, gathered into what the finish asks for.
    let (claim, _) = claim.rsplit_once("\nselect").unwrap();
    let claim = format!(
        "{claim}\nselect coalesce(array_agg(id), '{{}}') as ids, coalesce(array_agg(claim_id), '{{}}') as claims,
            coalesce(max(rank), :rank::bigint) as rank
         from claimed"
    );
    let finish = with_values(
        FINISH,
        &[
            ":ids".to_owned(),
            ":claims".to_owned(),
            format!("array_fill('succeeded'::text, array[{BATCH}])"),
            format!("array_fill('\"done\"'::text, array[{BATCH}])"),
            "'{}'".to_owned(),
            "'{}'".to_owned(),
            "true".to_owned(),
            "false".to_owned(),
            "false".to_owned(),
            "false".to_owned(),
        ],
    );
    format!("{claim}\n\\gset\n{finish};\n")
}

/// A statement of ours without its comments, and with these for its parameters.
fn with_values(statement: &str, values: &[String]) -> String {
    let lines = statement.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("--"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    // From behind, so that the first is not found in the tenth.
    for (number, value) in values.iter().enumerate().rev() {
        text = text.replace(&format!("${}", number + 1), value);
    }
    text.trim_end().to_owned()
}

/// Runs a script so many times on each of these connections; answers jobs a second.
fn run(url: &str, script: &str, clients: usize, rounds: usize) -> f64 {
    let file = std::env::temp_dir().join(format!("ringback-pgbench-{}.sql", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let output = Command::new(program().unwrap())
        .env("PGOPTIONS", OPTIONS)
        .args([
            "--no-vacuum",
            "--protocol=prepared",
            "--define=round=0",
            "--define=rank=-9223372036854775807",
        ])
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(2)))
        .arg(format!("--transactions={rounds}"))
        .arg(format!("--file={}", file.display()))
        .arg(url)
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate: f64 = rate
        .and_then(|rate| rate.split(' ').next()?.parse().ok())
        .unwrap();
    rate * BATCH as f64
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for version in std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
    {
        folders.push(version.path().join("bin"));
    }
    let programs = folders.iter().map(|folder| folder.join("pgbench"));
    programs.into_iter().find(|program| Path::is_file(program))
}
