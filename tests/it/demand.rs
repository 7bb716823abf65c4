//! Workers on demand: one that ends when there is nothing to do, and the figures by which others are started.

use std::time::Duration;

use ringback::auth::Algorithm;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Api, Client, Issuer, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_worker_ends_when_it_has_had_nothing_to_do_and_not_before() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // What takes longer than it would wait for more.
    client.submit("translate", "hello").await;
    let began = Instant::now();
    let mut worker = Program::start(
        &database,
        &["worker", "--until-idle", "1", "--delay-scale", "1.5"],
    );
    assert_eq!(client.next().await.action(), "job_result");
    assert!(began.elapsed() >= Duration::from_secs(3));
    // What comes while it waits is done as well.
    client.submit("translate", "world").await;
    assert_eq!(client.next().await.action(), "job_result");
    let ended = worker.ended().await;
    assert!(ended.success(), "{}", worker.output());
    assert!(began.elapsed() >= Duration::from_secs(7));
    eventually("it should be known to be gone", async || {
        let alive = "ringback.worker where beat_at > now() - interval '15 seconds'";
        database.count(alive).await == 0
    })
    .await;
    assert_eq!(
        database
            .count("ringback.attempts where outcome <> 'succeeded'")
            .await,
        0
    );
}

#[tokio::test]
async fn a_worker_with_one_place_waits_after_a_long_job_as_well() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("translate", "hello").await;
    let arguments = [
        "worker",
        "--until-idle",
        "2",
        "--delay-scale",
        "2",
        "--concurrency",
        "1",
    ];
    let mut worker = Program::start(&database, &arguments);
    assert_eq!(client.next().await.action(), "job_result");
    let done = Instant::now();
    assert!(worker.ended().await.success(), "{}", worker.output());
    assert!(done.elapsed() >= Duration::from_millis(1_900));
}

#[tokio::test]
async fn the_figures_say_what_waits_and_who_works_and_only_to_those_who_may_read_them() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let figures = async |scope: &str| {
        let api = Api::with_token(&gateway, &issuer.token("scaler", scope));
        let answer = api.get("/metrics").await;
        (
            answer.status,
            answer.body.as_str().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(figures("jobs:submit jobs:read").await.0, 403);
    // Nor is anybody told what the tasks work on who may not ask for them.
    for path in ["/openapi.json", "/asyncapi/schema.json"] {
        for (scope, tasks) in [
            (None, 0),
            (Some("metrics:read"), 0),
            (Some("jobs:submit"), 4),
        ] {
            let api = match scope {
                Some(scope) => Api::with_token(&gateway, &issuer.token("reader", scope)),
                None => Api::of(&gateway),
            };
            let document = api.get(path).await.body;
            let told = document["x-tasks"].as_object().unwrap();
            assert_eq!(told.len(), tasks, "{path} {scope:?}");
        }
    }
    let (status, text) = figures("metrics:read").await;
    assert_eq!(status, 200, "{text}");
    // A queue without a job or a worker has its figures: that is where scaling to zero begins again.
    for line in [
        "ringback_jobs_ready{queue=\"default\"} 0.0",
        "ringback_workers{queue=\"default\"} 0.0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let api = Api::with_token(&gateway, &issuer.token("alice", "jobs:submit"));
    for _ in 0..3 {
        let job = json!({"task_type": "translate", "content": "hello"});
        assert_eq!(api.post_json("/api/v1/jobs", &job).await.status, 202);
    }
    let (_, text) = figures("metrics:read").await;
    assert!(
        text.contains("ringback_jobs_ready{queue=\"default\"} 3.0"),
        "{text}"
    );
    let health =
        "ringback.queue_health where queue = 'default' and ready = 3 and workers = 0 and slots = 0";
    assert_eq!(database.count(health).await, 1);
    let _worker = Program::worker(&database, &["--concurrency", "7"]).await;
    eventually("the worker should be counted", async || {
        let (_, text) = figures("metrics:read").await;
        text.contains("ringback_workers{queue=\"default\"} 1.0")
            && text.contains("ringback_slots{queue=\"default\"} 7.0")
            && text.contains("ringback_jobs_ready{queue=\"default\"} 0.0")
    })
    .await;
}
