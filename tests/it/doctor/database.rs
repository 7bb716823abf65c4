//! What is wrong in a database: its schema, partitions, indexes, dead rows, and the transactions that keep them.

use sqlx::{Executor, Row};

use super::Report;
use crate::support::{TestDatabase, eventually};

#[tokio::test]
async fn an_open_transaction_is_named_with_what_ends_it() {
    let database = TestDatabase::new().await;
    let mut held = database.pool.acquire().await.unwrap();
    held.execute("set application_name = 'forgotten'")
        .await
        .unwrap();
    held.execute("begin isolation level repeatable read; select 1 as held")
        .await
        .unwrap();
    let pid: i32 = held
        .fetch_one("select pg_backend_pid()")
        .await
        .unwrap()
        .get(0);
    let long = ["--long-transaction", "200ms"];
    let mut advice = String::new();
    eventually("it should be a warning, and then a problem", async || {
        let report = Report::at(&database.url, &long).await;
        let all = report.all("snapshots");
        let ours = all
            .iter()
            .find(|(_, found, _)| found.starts_with(&format!("pid {pid} (")));
        let Some((status, found, what)) = ours else {
            return false;
        };
        assert!(found.contains("forgotten"), "{found}");
        assert!(found.contains("idle in transaction"), "{found}");
        assert!(found.contains("keeps the dead rows"), "{found}");
        assert!(found.contains("select pg_backend_pid()"), "{found}");
        advice = (*what).to_owned();
        *status == "problem"
    })
    .await;
    // It is nothing to whoever says that transactions may be open for long.
    Report::of(&database).await.is_ok("snapshots");
    assert_eq!(advice, format!("select pg_terminate_backend({pid})"));
    database.execute(&advice).await;
    let report = Report::at(&database.url, &long).await;
    let all = report.all("snapshots");
    assert!(
        !all.iter().any(|(_, found, _)| found.contains("forgotten")),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_schema_is_told_apart_that_is_older_newer_or_another() {
    let database = TestDatabase::new().await;
    Report::of(&database).await.is_ok("schema");
    database
        .execute("insert into ringback.migration values (9999, 'newer', now(), true, '', 0)")
        .await;
    let report = Report::of(&database).await;
    report.is_ok("schema");
    assert!(
        report.one("schema").1.contains("1 of a newer one"),
        "{report:?}"
    );
    database
        .execute("update ringback.migration set checksum = '\\x00' where version = 3")
        .await;
    let report = Report::of(&database).await;
    let (status, found, _) = report.one("schema");
    assert_eq!(status, "problem");
    assert!(found.contains("3 (job)"), "{found}");
    database
        .execute("delete from ringback.migration where version = 3")
        .await;
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("schema");
    assert_eq!(status, "problem");
    assert!(
        found.contains("older than this program; missing: 3 (job)"),
        "{found}"
    );
    assert!(advice.contains("ringback migrate"), "{advice}");

    // Where there is none, the others have nothing to look at, and say so.
    database.execute("drop schema ringback cascade").await;
    let report = Report::of(&database).await;
    assert!(report.one("schema").1.contains("no schema"), "{report:?}");
    for check in ["privileges", "partitions", "fleet", "queues", "due"] {
        assert_eq!(report.one(check).0, "unseen", "{check}: {report:?}");
    }
    assert_eq!(report.code, Some(7));
}

#[tokio::test]
async fn partitions_that_are_missing_are_made_as_it_says() {
    let database = TestDatabase::new().await;
    Report::of(&database).await.is_ok("partitions");
    database
        .execute(
            "do $$ begin
                 execute format('drop table ringback.job_event_%s',
                     to_char((now() at time zone 'UTC')::date + 1, 'YYYYMMDD'));
             end $$",
        )
        .await;
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("partitions");
    assert_eq!(status, "problem");
    assert!(
        found.contains("not made ahead: job_event from 20"),
        "{found}"
    );
    let make = advice.rsplit_once("or now: ").unwrap().1;
    database.execute(make).await;
    Report::of(&database).await.is_ok("partitions");

    database
        .execute("create table ringback.rest partition of ringback.job_attempt default")
        .await;
    let report = Report::of(&database).await;
    assert_eq!(report.one("partitions").0, "warning");
    database
        .execute(
            "insert into ringback.job_attempt (job_id, attempt, ended_at, outcome)
             values ('00000000-0000-7000-8000-000000000000', 1, now(), 'failed')",
        )
        .await;
    let report = Report::of(&database).await;
    let (status, found, _) = report.one("partitions");
    assert_eq!(status, "problem");
    assert!(found.contains("ringback.rest has rows"), "{found}");
}

#[tokio::test]
async fn an_index_that_could_not_be_made_is_found_and_dropped_as_it_says() {
    let database = TestDatabase::new().await;
    Report::of(&database).await.is_ok("indexes");
    database
        .execute(
            "insert into ringback.task (name, queue, max_attempts) values ('a', 'same', 1), ('b', 'same', 1)",
        )
        .await;
    let create = "create unique index concurrently \"Twice\" on ringback.task (queue)";
    assert!(database.pool.execute(create).await.is_err());
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("indexes");
    assert_eq!(status, "problem");
    assert!(found.contains("Twice"), "{found}");
    let drop = advice.rsplit_once("none of ours, ").unwrap().1;
    database.execute(drop).await;
    Report::of(&database).await.is_ok("indexes");
}

#[tokio::test]
async fn dead_rows_that_are_kept_are_told_of() {
    let database = TestDatabase::new().await;
    Report::of(&database).await.is_ok("dead_rows");
    let mut held = database.pool.acquire().await.unwrap();
    held.execute("begin isolation level repeatable read; select 1")
        .await
        .unwrap();
    database
        .execute(
            "insert into ringback.limit_event (task, due_at)
             select 'a', now() + interval '1 day' from generate_series(1, 60000)",
        )
        .await;
    database.execute("delete from ringback.limit_event").await;
    eventually("they should be counted", async || {
        database.execute("select pg_stat_force_next_flush()").await;
        let report = Report::of(&database).await;
        let (status, found, _) = report.one("dead_rows");
        status == "warning" && found.starts_with("ringback.limit_event has 60000 dead rows")
    })
    .await;
}
