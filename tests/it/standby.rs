//! A server that follows the first: it answers whoever looks around, and takes the first one's place.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::{Api, Client, Program, Standby, TestDatabase, eventually};

const JOBS: usize = 400;

/// After how many of them the first server dies.
const DEATH: usize = 150;

/// Both servers in one URL.
fn both(database: &TestDatabase, standby: &Standby) -> String {
    let (login, place) = database.url.rsplit_once('@').unwrap();
    let (first, name) = place.rsplit_once('/').unwrap();
    let second = standby.url.rsplit_once('@').unwrap().1;
    let second = second.rsplit_once('/').unwrap().0;
    format!("{login}@{first},{second}/{name}")
}

#[tokio::test]
async fn a_standby_that_is_promoted_under_load_has_every_job_that_was_acknowledged() {
    let database = TestDatabase::on_its_own_server().await;
    let standby = Standby::synchronous(&database).await;
    let url = both(&database, &standby);
    // One names the way to both twice, as it would past a pooler.
    let gateway = Program::serve_at(&url, &["--direct-database-url", &url]).await;
    let worker = Program::worker_at(&url, &[]).await;

    let mut client = Client::connect(&gateway).await;
    let (mut acknowledged, mut results) = (BTreeSet::new(), BTreeSet::new());
    let mut next = 0;
    let mut waits_for = None;
    while next < JOBS || results.len() < acknowledged.len() {
        if waits_for.is_none() && next < JOBS {
            if next == DEATH {
                database.end_server("KILL").await;
                standby.promote().await;
            }
            // The same again, where it cannot be known whether it was stored.
            let key = format!("key {next}");
            client
                .send(json!({
                    "action": "system_message", "ref": key,
                    "payload": {"task_type": "default", "content": "x", "idempotency_key": key}
                }))
                .await;
            waits_for = Some(key);
        }
        let message = client.next_within(Duration::from_secs(90)).await;
        match message.action() {
            "job_queued" => {
                assert_eq!(message.0["ref"].as_str(), waits_for.take().as_deref());
                acknowledged.insert(message.job_id());
                next += 1;
            }
            "job_result" => {
                let is_first = results.insert(message.job_id());
                assert!(is_first, "{message:?} came twice");
            }
            "error" => {
                assert_eq!(
                    message.0["payload"][0]["type"], "unavailable",
                    "{message:?}"
                );
                assert_eq!(message.0["ref"].as_str(), waits_for.take().as_deref());
            }
            other => panic!("an unexpected {other}: {message:?}"),
        }
    }
    assert_eq!(acknowledged.len(), JOBS);
    assert_eq!(results, acknowledged);
    let all = i64::try_from(JOBS).unwrap();
    assert_eq!(
        standby
            .count("ringback.job_history where state = 'succeeded'")
            .await,
        all
    );
    assert_eq!(standby.count("ringback.job").await, 0);

    // Hints are heard there: of a gateway and a worker.
    let listening = "pg_stat_activity where application_name = 'ringback listener'";
    eventually("both should listen at the second", async || {
        standby.count(listening).await == 2
    })
    .await;

    // What else there is has found it as well.
    let api = Api::of(&gateway);
    for path in ["/readyz", "/api/v1/jobs", "/api/v1/overview"] {
        eventually(&format!("{path} should be well"), async || {
            let answer = api.client.get(api.url(path)).send().await.unwrap();
            answer.status().as_u16() == 200
        })
        .await;
    }
    // Each connection that went with the first server is found out when it is used.
    let one = format!("/api/v1/jobs/{}", acknowledged.first().unwrap());
    eventually(
        "its connections should be those of the second",
        async || {
            let asked = (0..8).map(|_| api.get(&one));
            let answers = futures_util::future::join_all(asked).await;
            answers.iter().all(|answer| answer.status == 200)
        },
    )
    .await;
    let job = api
        .submit_as(&json!({"task_type": "default", "content": "y"}))
        .await;
    assert_eq!(api.finished(&job).await["state"], "succeeded");
    let mut list = Program::start_at(&url, &["jobs", "list"]);
    assert!(list.ended().await.success(), "{}", list.output());
    drop(worker);
}

#[tokio::test]
async fn whoever_waits_for_a_job_finds_the_standby_that_was_promoted() {
    let database = TestDatabase::on_its_own_server().await;
    let standby = Standby::synchronous(&database).await;
    let url = both(&database, &standby);
    database.knows("default").await;
    let job = database.enqueue("'default', content => 'x'").await.unwrap();
    // It has nothing but its pool.
    let mut wait = Program::start_at(&url, &["jobs", "wait", &job.to_string()]);
    let asks =
        "pg_stat_activity where application_name = 'ringback' and query like '-- The jobs $1%'";
    eventually("it should ask the first", async || {
        database.count(asks).await == 1
    })
    .await;
    database.end_server("KILL").await;
    standby.promote().await;
    let _worker = Program::worker_at(&url, &[]).await;
    assert!(wait.ended().await.success(), "{}", wait.output());
}

#[tokio::test]
async fn whoever_looks_around_is_answered_by_a_replica_and_without_it_by_the_database() {
    let database = TestDatabase::on_its_own_server().await;
    let standby = Standby::of(&database).await;
    let replica = ["--replica-database-url", &standby.url];
    let gateway = Program::serve(&database, &replica).await;
    let _worker = Program::worker(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api
        .submit_as(&json!({"task_type": "default", "content": "x"}))
        .await;
    api.finished(&job).await;
    let listed = async || {
        let answer = api.get("/api/v1/jobs").await;
        answer.body["jobs"].as_array().map(Vec::len)
    };
    eventually("the replica should know of it", async || {
        listed().await == Some(1)
    })
    .await;
    for path in [
        "/api/v1/overview",
        "/api/v1/queues",
        "/api/v1/tasks",
        "/metrics",
    ] {
        let answer = api.client.get(api.url(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
    }
    let browsing = "pg_stat_activity where application_name = 'ringback browsing'";
    assert!(standby.count(browsing).await >= 1);
    assert_eq!(database.count(browsing).await, 0);
    // The views are there as well.
    assert_eq!(
        standby
            .count("ringback.jobs where state = 'succeeded'")
            .await,
        1
    );
    assert_eq!(standby.count("ringback.attempts").await, 1);

    standby.end();
    eventually("the database should answer instead", async || {
        listed().await == Some(1)
    })
    .await;
    eventually("it should be looked at", async || {
        listed().await;
        database.count(browsing).await >= 1
    })
    .await;
}

#[tokio::test]
async fn a_gateway_at_a_server_that_only_reads_is_not_ready() {
    let database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let ready = async || {
        let answer = api.client.get(api.url("/readyz")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    eventually("it should be ready", async || ready().await.0 == 200).await;
    for setting in [
        "alter system set default_transaction_read_only = on",
        "select pg_reload_conf()",
    ] {
        database.execute(setting).await;
    }
    eventually("it should not be ready", async || {
        let (status, text) = ready().await;
        status == 503 && text.starts_with("the database only reads")
    })
    .await;
}
