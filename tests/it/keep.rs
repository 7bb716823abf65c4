//! What is kept, and for how long: each table's rows go when their time is over and not before, in small batches.

mod history;
mod sessions;

use std::time::Duration;

use ringback::queue::operator_log;

use crate::support::{BATCH, Program, TestDatabase, eventually};

/// More than two batches.
const MANY: i64 = 2_500;

/// A table: how to fill it with a row for each number, at a time; which time is over, and which is not.
struct Table {
    name: &'static str,
    fill: &'static str,
    over: &'static str,
    not_over: &'static str,
}

/// As the settings of the worker below say.
const TABLES: [Table; 8] = [
    Table {
        name: "notice",
        fill: "(\"group\", number, content, expires_at) select 'system', number + 10000 * (at < now())::integer, 'x', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "ticket",
        fill: "(hash, subject, scopes, expires_at) select sha256((number || ' ' || at)::bytea), 'a', '{}', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "idempotency",
        fill: "(owner, key, job_id, request, expires_at) select 'a', number || ' ' || at, gen_random_uuid(), '', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "session",
        fill: "(id, token_hash, notified, seen_at) select gen_random_uuid(), '', 0, at",
        over: "now() - interval '121 min'",
        not_over: "now() - interval '119 min'",
    },
    Table {
        name: "worker",
        fill: "(id, host, pid, version, queues, concurrency, beat_at, gone_at)
               select gen_random_uuid(), 'a', 1, '1', '{}', 1, at, at",
        over: "now() - interval '181 min'",
        not_over: "now() - interval '179 min'",
    },
    Table {
        name: "gateway",
        fill: "(id, host, pid, version, listen, beat_at) select gen_random_uuid(), 'a', 1, '1', 'a', at",
        over: "now() - interval '181 min'",
        not_over: "now() - interval '179 min'",
    },
    Table {
        name: "sample",
        fill: "select at - number * interval '1 ms', 10, 0, 0, 0, 0, 0, 0, 0, 0",
        over: "now() - interval '241 min'",
        not_over: "now() - interval '239 min'",
    },
    Table {
        name: "operator_log",
        fill: "(at, kind, who, what) select at, 'role', 'a', 'pause_queue'",
        over: "now() - interval '41 d'",
        not_over: "now() - interval '39 d'",
    },
];

const SETTINGS: [&str; 8] = [
    "--keep-sessions",
    "2h",
    "--keep-gone",
    "3h",
    "--keep-samples",
    "4h",
    "--keep-operator-log",
    "40d",
];

#[tokio::test]
async fn every_table_lets_go_of_what_is_over_in_small_batches_and_of_nothing_else() {
    let database = TestDatabase::new().await;
    for table in &TABLES {
        for (at, rows) in [(table.over, MANY), (table.not_over, 3)] {
            let fill = format!(
                "insert into ringback.{} {} from generate_series(1, {rows}) as number, (select {at} as at) as time",
                table.name, table.fill
            );
            database.execute(&fill).await;
        }
    }
    // One of those that are gone still holds a job that waits to be called back.
    database
        .execute(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts, attempt,
                 started_at, claim_id, worker_id, deadline)
             select ringback.uuid_new(), 'a', 'a', 'default', '1', 'waiting', 0, now(), 5, 1,
                 now(), gen_random_uuid(), id, now() + interval '1 h'
             from ringback.worker where gone_at < now() - interval '180 min' limit 1",
        )
        .await;
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    database.note_batches(&tables, "0").await;
    let _worker = Program::worker(&database, &SETTINGS).await;

    for table in &TABLES {
        // The worker itself has a row, takes a sample, and the job that waits keeps another.
        let left = match table.name {
            "worker" => "host = 'a'",
            "sample" => "at < now() - interval '1 h'",
            _ => "true",
        };
        let kept = if table.name == "worker" { 4 } else { 3 };
        let count = format!("ringback.{} where {left}", table.name);
        eventually(&format!("{} should let go", table.name), async || {
            database.count(&count).await == kept
        })
        .await;
        let batches = database.batches(table.name).await;
        let gone: i64 = batches.iter().sum();
        assert_eq!(gone, MANY + 3 - kept, "{}", table.name);
        assert!(batches[0] <= BATCH, "{}: {batches:?}", table.name);
        assert!(batches.len() >= 3, "{}: {batches:?}", table.name);
    }
}

#[tokio::test]
async fn what_operators_did_just_now_cannot_be_made_unseen() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "insert into ringback.operator_log (at, kind, who, what)
             select now() - make_interval(days => age), 'role', 'a', 'x' from unnest(array[29, 31]) as age",
        )
        .await;
    let mut link = database.database().link("test");
    operator_log::expire(&mut link, Duration::ZERO)
        .await
        .unwrap();
    let left: i64 = database.count("ringback.operator_log").await;
    assert_eq!(left, 1);
}

#[tokio::test]
async fn periods_that_do_not_suit_each_other_are_refused_before_anything_is_touched() {
    let database = TestDatabase::new().await;
    for verb in ["worker", "serve", "dev"] {
        let arguments = [verb, "--keep-history", "2d", "--keep-events", "3d"];
        let mut program = Program::start(&database, &arguments);
        assert_eq!(
            program.ended().await.code(),
            Some(2),
            "{}",
            program.output()
        );
        assert!(program.output().contains("RINGBACK_KEEP_EVENTS"));
    }
    assert_eq!(database.count("ringback.gateway").await, 0);
    assert_eq!(database.count("ringback.worker").await, 0);
}
