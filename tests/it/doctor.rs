//! What the doctor finds, each time something is really wrong; and what a script can tell from it.

mod database;
mod fleet;
mod pooler;
mod server;

use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, Program, TestDatabase, eventually};

/// What the doctor has said.
#[derive(Debug)]
pub(crate) struct Report {
    code: Option<i32>,
    body: Value,
}

impl Report {
    /// Of the database, as it is now.
    async fn of(database: &TestDatabase) -> Self {
        Self::at(&database.url, &[]).await
    }

    pub(crate) async fn at(url: &str, arguments: &[&str]) -> Self {
        Self::by(Program::start_at(
            url,
            &[&["doctor", "--json"], arguments].concat(),
        ))
        .await
    }

    /// Of a doctor that was asked for JSON.
    pub(crate) async fn by(mut doctor: Program) -> Self {
        let code = doctor.ended().await.code();
        let output = doctor.output();
        let json = output.lines().find(|line| line.starts_with('{'));
        let json = json.unwrap_or_else(|| panic!("no JSON, but: {output}"));
        let body: Value = serde_json::from_str(json).unwrap();
        Self { code, body }
    }

    /// Status, what was found and what to do, of each finding of a check.
    pub(crate) fn all(&self, check: &str) -> Vec<(&str, &str, &str)> {
        let findings = self.body["findings"].as_array().unwrap();
        let of_it = findings.iter().filter(|finding| finding["check"] == check);
        of_it
            .map(|finding| {
                let status = finding["status"].as_str().unwrap();
                let found = finding["found"].as_str().unwrap();
                let advice = finding["advice"].as_str().unwrap_or_default();
                assert_eq!(status == "ok", advice.is_empty(), "{finding}");
                (status, found, advice)
            })
            .collect()
    }

    /// The one finding of a check.
    fn one(&self, check: &str) -> (&str, &str, &str) {
        let all = self.all(check);
        assert_eq!(all.len(), 1, "{check}: {all:?}");
        all[0]
    }

    fn is_ok(&self, check: &str) {
        assert_eq!(self.one(check).0, "ok", "{:?}", self.one(check));
    }
}

#[tokio::test]
async fn all_is_well_with_a_fleet_on_a_server_of_ones_own() {
    let database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("translate", "hello").await;
    let report = Report::at(&database.url, &["--strict"]).await;
    assert_eq!(report.body["status"], "ok", "{report:?}");
    assert_eq!(report.code, Some(0));
    let fleet = report.one("fleet").1.to_owned();
    assert!(fleet.contains("1 gateway and 1 worker live"), "{fleet}");
    // For people: a line for each check, and nothing to do.
    let mut doctor = Program::start(&database, &["doctor"]);
    assert!(doctor.ended().await.success());
    let output = doctor.output();
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("status  check"), "{output}");
    assert!(lines[1].starts_with("ok      server"), "{output}");
    assert_eq!(lines.len(), 25, "{output}");
}

#[tokio::test]
async fn the_exit_status_says_how_bad_it_is() {
    let database = TestDatabase::on_its_own_server().await;
    database
        .execute("insert into ringback.queue values ('mail', now())")
        .await;
    let report = Report::of(&database).await;
    let (status, found, advice) = report.one("queues");
    assert_eq!(status, "warning");
    assert!(found.contains("the queue mail has been paused"), "{found}");
    assert_eq!(advice, "ringback queues resume mail");
    assert_eq!(report.body["status"], "warning");
    assert_eq!(report.code, Some(0));
    let strict = Report::at(&database.url, &["--strict"]).await;
    assert_eq!(strict.code, Some(7));

    database.execute("alter system set fsync = off").await;
    database.execute("select pg_reload_conf()").await;
    eventually("it should be a problem", async || {
        let report = Report::of(&database).await;
        report.code == Some(7) && report.one("durability").0 == "problem"
    })
    .await;
    let mut doctor = Program::start(&database, &["doctor"]);
    assert_eq!(doctor.ended().await.code(), Some(7));
    let output = doctor.output();
    let advice = "  durability: alter system set fsync = on; select pg_reload_conf()";
    assert!(output.lines().any(|line| line == advice), "{output}");

    let mut nowhere = Program::start_at(
        "postgres://me:secret@127.0.0.1:1/nowhere",
        &["doctor", "--json"],
    );
    assert_eq!(nowhere.ended().await.code(), Some(1));
    let output = nowhere.output();
    assert!(
        output.contains("could not look at the database nowhere"),
        "{output}"
    );
    assert!(!output.contains("secret"), "{output}");
}

#[tokio::test]
async fn a_login_with_few_privileges_hears_what_it_lacks_and_what_it_cannot_see() {
    let database = TestDatabase::on_its_own_server().await;
    database
        .execute("create role \"o'hara\" login password 'secret'")
        .await;
    database
        .execute("select ringback.grant_reader('o''hara')")
        .await;
    let host = database.url.rsplit_once('@').unwrap().1;
    let url = format!("postgres://o'hara:secret@{host}");
    // Somebody else's, which it may not look into.
    let _gateway = Program::serve(&database, &[]).await;
    let report = Report::at(&url, &[]).await;
    let (status, found, advice) = report.one("privileges");
    assert_eq!(status, "problem");
    assert!(
        found.starts_with("o'hara may not: create in the schema"),
        "{found}"
    );
    for check in ["schema", "fleet", "queues", "due", "snapshots"] {
        assert_eq!(report.all(check).last().unwrap().0, "unseen", "{check}");
    }
    assert!(
        report.one("schema").1.contains("may not look"),
        "{report:?}"
    );
    for check in [
        "server",
        "partitions",
        "indexes",
        "dead_rows",
        "clock",
        "size",
    ] {
        report.is_ok(check);
    }
    assert_eq!(report.code, Some(7));

    let grant = advice.split(", as the owner").next().unwrap();
    database.execute(grant).await;
    let report = Report::at(&url, &[]).await;
    for check in ["schema", "privileges", "fleet", "queues", "due"] {
        report.is_ok(check);
    }
    database
        .execute("grant pg_read_all_stats to \"o'hara\"")
        .await;
    Report::at(&url, &[]).await.is_ok("snapshots");
}

/// However many are gone, whoever asks is not kept.
#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting_for_long() {
    let database = TestDatabase::on_its_own_server().await;
    let frozen = database.freeze_server().await;
    let mut doctor = Program::start(&database, &["doctor"]);
    let ended = doctor.ended_within(Duration::from_secs(20)).await;
    drop(frozen);
    assert_eq!(ended.code(), Some(1), "{}", doctor.output());
}
