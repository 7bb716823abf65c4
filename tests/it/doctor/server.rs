//! What is wrong with a server as a whole: settings, connections, slots, prepared transactions.

use super::Report;
use crate::support::{TestDatabase, eventually};

/// Says something otherwise than by default, and waits until it is so.
async fn set(database: &TestDatabase, name: &str, value: &str) {
    database
        .execute(&format!("alter system set {name} = {value}"))
        .await;
    database.execute("select pg_reload_conf()").await;
    eventually("the setting should be taken", async || {
        let current: String = sqlx::query_scalar("select setting from pg_settings where name = $1")
            .bind(name)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        current == value.trim_matches('\'')
    })
    .await;
}

#[tokio::test]
async fn settings_that_break_promises_are_told_of() {
    let database = TestDatabase::on_its_own_server().await;
    for (name, check) in [
        ("fsync", "durability"),
        ("full_page_writes", "durability"),
        ("synchronous_commit", "durability"),
        ("autovacuum", "autovacuum"),
        ("track_counts", "autovacuum"),
    ] {
        set(&database, name, "off").await;
        let report = Report::of(&database).await;
        let (status, found, advice) = report.one(check);
        assert_eq!(status, "problem");
        assert!(found.starts_with(&format!("{name} = off")), "{found}");
        let (alter, reload) = advice.split_once("; ").unwrap();
        database.execute(alter).await;
        database.execute(reload).await;
        eventually("it should be well again", async || {
            Report::of(&database).await.one(check).0 == "ok"
        })
        .await;
    }
    database
        .execute("alter table ringback.job set (autovacuum_enabled = false)")
        .await;
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("autovacuum");
    assert_eq!(
        (status, found),
        ("problem", "autovacuum is off for ringback.job")
    );
    database.execute(advice).await;
    Report::of(&database).await.is_ok("autovacuum");
}

#[tokio::test]
async fn settings_of_a_login_that_cut_the_program_off_are_told_of() {
    let database = TestDatabase::on_its_own_server().await;
    for (name, status) in [
        ("statement_timeout", "problem"),
        ("idle_session_timeout", "warning"),
    ] {
        database
            .execute(&format!("alter role ringback set {name} = '5s'"))
            .await;
        let report = Report::of(&database).await;
        let (as_it_is, found, advice) = report.one("time_limits");
        assert_eq!(as_it_is, status);
        assert!(found.starts_with(&format!("{name} = 5000 ms")), "{found}");
        database.execute(advice).await;
        Report::of(&database).await.is_ok("time_limits");
    }
    // Enough for whatever the program asks.
    database
        .execute("alter role ringback set statement_timeout = '1min'")
        .await;
    Report::of(&database).await.is_ok("time_limits");

    database
        .execute("alter role ringback set default_transaction_read_only = on")
        .await;
    let report = Report::of(&database).await;
    let (status, found, _) = report.one("server");
    assert_eq!(status, "problem");
    assert!(found.contains("may only read"), "{found}");
}

#[tokio::test]
async fn a_server_with_too_few_connections_is_told_of() {
    let mut database = TestDatabase::on_its_own_server().await;
    // As if they had just been started.
    database
        .execute(
            "insert into ringback.gateway (id, host, pid, version, listen, beat_at)
             select gen_random_uuid(), 'a', pid, '1', '', now() + interval '900 ms' from generate_series(1, 2) as pid",
        )
        .await;
    let judged = async |database: &TestDatabase| {
        database
            .execute("update ringback.gateway set beat_at = clock_timestamp()")
            .await;
        let report = Report::of(database).await;
        let (status, found, advice) = report.one("connections");
        (status.to_owned(), found.to_owned(), advice.to_owned())
    };
    assert_eq!(judged(&database).await.0, "ok");
    database
        .execute("alter system set max_connections = 20")
        .await;
    database.restart_server().await;
    let (status, found, advice) = judged(&database).await;
    assert_eq!(status, "problem");
    assert!(
        found.starts_with("room for 17 connections; the fleet has 0 and opens up to 48"),
        "{found}"
    );
    let alter = advice.split(", and restart").next().unwrap();
    assert_eq!(alter, "alter system set max_connections = 100");
}

#[tokio::test]
async fn slots_and_prepared_transactions_that_nobody_looks_after_are_named() {
    let mut database = TestDatabase::on_its_own_server().await;
    database
        .execute("alter system set max_prepared_transactions = 5")
        .await;
    database.restart_server().await;
    let report = Report::of(&database).await;
    report.is_ok("slots");
    report.is_ok("snapshots");

    database
        .execute("begin; insert into ringback.queue values ('mail'); prepare transaction 'left ''behind'")
        .await;
    let mut advice = String::new();
    eventually("it should be told of", async || {
        let report = Report::at(&database.url, &["--long-transaction", "100ms"]).await;
        let all = report.all("snapshots");
        let prepared = all.iter().find(|(_, found, _)| {
            found.starts_with("the prepared transaction 'left ''behind' (ringback)")
        });
        let Some((status, found, what)) = prepared else {
            return false;
        };
        assert!(found.contains("keeps the dead rows of the last"), "{found}");
        advice = (*what).to_owned();
        *status == "problem"
    })
    .await;
    let rollback = advice.split(" (or").next().unwrap();
    database.execute(rollback).await;
    Report::of(&database).await.is_ok("snapshots");

    database
        .execute("select pg_create_physical_replication_slot('gone', true)")
        .await;
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("slots");
    assert_eq!(status, "warning");
    assert!(
        found.starts_with("gone is read by nobody, and keeps"),
        "{found}"
    );
    let drop = advice.rsplit_once("does not come back, ").unwrap().1;
    database.execute(drop).await;
    Report::of(&database).await.is_ok("slots");
}

#[tokio::test]
async fn commits_that_wait_for_a_standby_that_is_not_there_are_told_of() {
    let database = TestDatabase::on_its_own_server().await;
    Report::of(&database).await.is_ok("replication");
    set(&database, "synchronous_standby_names", "'nobody'").await;
    let report = Report::of(&database).await;
    let (status, found, _) = report.one("replication");
    assert_eq!(status, "problem");
    assert!(found.starts_with("every commit waits"), "{found}");
    set(&database, "synchronous_standby_names", "''").await;
}
