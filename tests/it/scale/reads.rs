//! How much is read for the work: no more than is taken, beside an old snapshot and out of tables that were empty.

use std::time::Instant;

use futures_util::future::join_all;
use ringback::ids::JobIds;
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{FIRST, claim_some, cursor, jobs, succeeded};
use crate::doctor::Report;
use crate::support::{Client, Program, TestDatabase, eventually};

/// A number out of the statistics, as exact as this connection's own part of them.
async fn statistic(connection: &mut PgConnection, query: &str) -> i64 {
    connection
        .execute("select pg_stat_force_next_flush()")
        .await
        .unwrap();
    connection
        .execute("select pg_stat_clear_snapshot()")
        .await
        .unwrap();
    sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
        .fetch_one(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn claims_beside_an_old_snapshot_read_no_more_than_they_take() {
    const ROUNDS: usize = 120;
    const READ: &str =
        "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'job_ready'";
    const BUFFERS: &str = "select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
        from pg_statio_user_tables where schemaname = 'ringback' and relname = 'job'";
    let database = TestDatabase::new().await;
    let mut old = database.pool.acquire().await.unwrap();
    old.execute("begin isolation level repeatable read")
        .await
        .unwrap();
    old.execute("select count(*) from ringback.job")
        .await
        .unwrap();

    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    let cursor = cursor();
    let started = Instant::now();
    let (mut reads, mut buffers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let new = jobs(&link, &mut ids, 500);
        let connection = link.connected().await.unwrap();
        enqueue(connection, &new, FIRST).await.unwrap();
        let before = statistic(connection, READ).await;
        let buffers_before = statistic(connection, BUFFERS).await;
        let claimed = claim_some(connection, &cursor).await;
        reads.push(statistic(connection, READ).await - before);
        buffers.push(statistic(connection, BUFFERS).await - buffers_before);
        assert_eq!(claimed.len(), 500);
        finish(connection, &succeeded(&claimed), FIRST)
            .await
            .unwrap();
    }
    // A scan from the beginning, once every five seconds, reads what the snapshot keeps; the others must not.
    let whole = started.elapsed().as_secs() / 5 + 1;
    let long = reads.iter().filter(|read| **read > 600).count();
    assert!(
        u64::try_from(long).unwrap() <= whole,
        "{long} claims of {ROUNDS} read much more than 500 rows, and {whole} may: {reads:?}"
    );
    // The middle of some, so that those few do not count: once fifteen thousand jobs have passed through, and once sixty have.
    let middle = |rounds: &[i64]| {
        let mut rounds = rounds.to_vec();
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    };
    let (first, last) = (middle(&buffers[20..40]), middle(&buffers[100..120]));
    assert!(
        last < first * 3 / 2,
        "from {first} to {last} buffers: {buffers:?}"
    );

    // And whoever runs it hears who it is.
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *old)
        .await
        .unwrap();
    let report = Report::at(&database.url, &["--long-transaction", "1s"]).await;
    let holders = report.all("snapshots");
    let holder = holders
        .iter()
        .find(|(_, found, _)| found.starts_with(&format!("pid {pid} (")));
    let (status, found, advice) = holder.unwrap_or_else(|| panic!("{holders:?}"));
    assert_ne!(*status, "ok");
    assert!(found.contains(", open for "), "{found}");
    assert!(found.contains("keeps the dead rows of the last"), "{found}");
    assert_eq!(*advice, format!("select pg_terminate_backend({pid})"));
    old.execute("rollback").await.unwrap();
}

#[tokio::test]
async fn thirty_thousand_jobs_into_an_empty_database_are_walked_along_indexes() {
    const CLIENTS: usize = 6;
    const EACH: usize = 5_000;
    let database = TestDatabase::new().await;
    // What autovacuum leaves of tables that are empty most of the time: statistics that say so.
    database
        .execute(
            "vacuum (analyze) ringback.job, ringback.job_history, ringback.task, ringback.queue",
        )
        .await;
    database.execute("select pg_stat_reset()").await;
    let mut gateway = Program::serve(&database, &[]).await;
    let mut worker = Program::worker(&database, &[]).await;
    let clients = (0..CLIENTS).map(|_| async {
        let mut client = Client::connect(&gateway).await;
        let (mut asked, mut answered) = (0, 0);
        while answered < EACH {
            while asked < EACH && asked - answered < 100 {
                client.ask("default", "x").await;
                asked += 1;
            }
            let message = client.next().await;
            match message.action() {
                "job_queued" => {}
                "job_result" => answered += 1,
                other => panic!("an unexpected {other}: {message:?}"),
            }
        }
    });
    join_all(clients).await;
    // A connection that ends tells what it has counted.
    for program in [&mut gateway, &mut worker] {
        program.signal("TERM");
        assert!(program.ended().await.success());
    }
    eventually("every connection should have ended", async || {
        database
            .count("pg_stat_activity where datname = current_database() and application_name like 'ringback%'")
            .await
            == 0
    })
    .await;
    let finished = database.count("ringback.job_history").await;
    assert_eq!(finished, i64::try_from(CLIENTS * EACH).unwrap());
    // By now our own count of the history is in the statistics, or not; it is one whole reading.
    let read: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, coalesce(seq_tup_read, 0) from pg_stat_user_tables
         where schemaname = 'ringback' and relname ~ '^(job|worker|task|queue)' order by 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    // A sample counts what is live, of which there was never more than what the clients waited for.
    let samples = database.count("ringback.sample").await;
    let sampled = samples * i64::try_from(CLIENTS).unwrap() * 100;
    for (table, rows) in &read {
        let most = match table.as_str() {
            "job" => sampled + 1_000,
            table if table.starts_with("job_history") => finished + 1_000,
            _ => 1_000,
        };
        assert!(
            *rows <= most,
            "{rows} rows of {table} were read one after the other: {read:?}"
        );
    }
    // Nor was the live table read whole through an index, again and again.
    let walked: i64 = sqlx::query_scalar(
        "select sum(idx_tup_read)::bigint from pg_stat_user_indexes where relname = 'job'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert!(
        walked < finished * 20,
        "{walked} index entries for {finished} jobs"
    );
}
