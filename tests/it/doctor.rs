//! What the doctor finds, each time something is really wrong; and what a script can tell from it.

mod pooler;
mod server;

use std::time::Duration;

use serde_json::Value;
use sqlx::{Executor, Row};

use crate::support::{Api, Client, Program, TestDatabase, eventually};

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
        let mut doctor = Program::start_at(url, &[&["doctor", "--json"], arguments].concat());
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
    assert_eq!(lines.len(), 23, "{output}");
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

#[tokio::test]
async fn jobs_that_nobody_takes_are_told_of() {
    let database = TestDatabase::new().await;
    database.knows("shout").await;
    database
        .execute("select ringback.enqueue('shout', 'hello')")
        .await;
    let found = async |status: &str, words: &str| {
        let report = Report::of(&database).await;
        let (as_it_is, found, _) = report.one("queues");
        assert_eq!(as_it_is, status, "{found}");
        assert!(found.contains(words), "{found}");
    };
    found(
        "problem",
        "no living worker takes shout from the queue default: 1 ready job",
    )
    .await;
    // Of the same queue, but without the task.
    let worker = "insert into ringback.worker (id, host, pid, version, queues, concurrency, tasks)
        values (gen_random_uuid(), 'a', 1, '1', '{default}', 1, '{whisper}')";
    database.execute(worker).await;
    found("problem", "no living worker").await;
    database
        .execute("update ringback.worker set tasks = null, beat_at = clock_timestamp()")
        .await;
    found("ok", "1 ready job, and workers for all").await;
    database
        .execute("update ringback.job set run_at = now() - interval '1 h', created_at = run_at - interval '1 h'")
        .await;
    database
        .execute("update ringback.worker set beat_at = clock_timestamp()")
        .await;
    found("warning", "the oldest for 60 min, for 1 worker").await;
    database.execute("select ringback.pause('default')").await;
    found("warning", "the queue default has been paused").await;
}

#[tokio::test]
async fn who_has_fallen_silent_and_what_is_late_are_told_of() {
    let database = TestDatabase::new().await;
    let report = Report::of(&database).await;
    for check in ["fleet", "circuits", "due"] {
        report.is_ok(check);
    }
    database.knows("shout").await;
    database
        .execute(
            "insert into ringback.worker (id, host, pid, version, queues, concurrency, beat_at, circuits) values
             (gen_random_uuid(), 'silent', 7, '1', '{}', 1, now() - interval '40 s', '[]'),
             (gen_random_uuid(), 'early', 8, '1', '{}', 1, now() + interval '1 min', '[]'),
             (gen_random_uuid(), 'alive', 9, '1', '{}', 1, now(), jsonb_build_array(jsonb_build_object(
                 'task', 'shout', 'failures', 5, 'until', now() + interval '10 min'))),
             (gen_random_uuid(), 'left', 10, '1', '{}', 1, '-infinity', '[]')",
        )
        .await;
    database
        .execute("select ringback.enqueue('shout', 'later', run_at => now() + interval '1 h')")
        .await;
    database
        .execute("update ringback.job set run_at = now() - interval '5 min'")
        .await;
    let report = Report::of(&database).await;
    let fleet = report.all("fleet");
    let of = |host: &str| fleet.iter().find(|(_, found, _)| found.contains(host));
    assert_eq!(
        of("7 on silent has been silent for 4").unwrap().0,
        "warning"
    );
    assert_eq!(of("8 on early").unwrap().0, "problem");
    assert_eq!(fleet.len(), 2, "{fleet:?}");
    let (status, found, _) = report.one("circuits");
    assert_eq!(status, "warning");
    assert!(
        found.contains("9 on alive has paused shout after 5 failures"),
        "{found}"
    );
    let (status, found, _) = report.one("due");
    assert_eq!(status, "problem");
    assert!(
        found.contains("scheduled jobs that are not ready: 1, for 5 min"),
        "{found}"
    );
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

/// The connections that a gateway and a worker have beside their pools. One that is not here is not counted in
/// `src/queue/doctor/connections.rs` either: count it in both.
const COUNTED: [&str; 14] = [
    "acks",
    "claimer",
    "feed",
    "finisher",
    "health",
    "heartbeat",
    "housekeeping",
    "intake",
    "keeper",
    "listener",
    "relay",
    "sweeper",
    "waiting",
    "watch",
];

#[tokio::test]
async fn what_a_fleet_may_open_is_counted_as_it_is() {
    use ringback::queue::doctor::connections::{OF_A_GATEWAY, OF_A_PROCESS, OF_A_WORKER};

    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    let api = Api::of(&gateway);
    api.submit("translate", "over HTTP").await;
    client.submit("translate", "hello").await;
    assert_eq!(client.next().await.action(), "job_result");
    assert_eq!(api.get("/readyz").await.status, 200);
    let report = Report::of(&database).await;
    let most = 2 * OF_A_PROCESS + OF_A_GATEWAY + OF_A_WORKER;
    let found = report.one("connections").1;
    assert!(found.contains(&format!("opens up to {most},")), "{found}");
    eventually("they should have what they have", async || {
        let names: Vec<String> = sqlx::query_scalar(
            "select substr(application_name, 10) from pg_stat_activity
             where datname = current_database() and application_name like 'ringback%'",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap();
        let beside = names
            .iter()
            .filter(|name| !["", "browsing", "migrate"].contains(&name.as_str()));
        let beside: Vec<&String> = beside.collect();
        for name in &beside {
            assert!(COUNTED.contains(&name.as_str()), "{name} is not counted");
        }
        assert!(beside.len() <= usize::try_from(OF_A_GATEWAY + OF_A_WORKER + 6).unwrap());
        beside.len() >= 10
    })
    .await;
}

/// However many are gone, whoever asks is not kept.
#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting_for_long() {
    let database = TestDatabase::on_its_own_server().await;
    let frozen = database.freeze_server().await;
    let mut doctor = Program::start(&database, &["doctor"]);
    let ended = doctor.ended_within(Duration::from_secs(20)).await;
    TestDatabase::thaw_server(&frozen);
    assert_eq!(ended.code(), Some(1), "{}", doctor.output());
}
