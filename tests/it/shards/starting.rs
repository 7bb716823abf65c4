//! What starts while one of its databases is away, and takes it up when it comes.

use std::time::Duration;

use serde_json::json;

use super::Two;
use crate::support::{Api, Client, eventually_within};

#[tokio::test]
async fn processes_start_without_one_of_their_databases() {
    let mut two = Two::on_their_own_servers().await;
    two.databases[1].end_server("INT").await;
    let gateway = two.gateway(&[]).await;
    let worker = two.worker(&[]).await;
    let api = |owner| Api::with_token(&gateway, &two.token(owner));
    let job = api("alice").submit("default", "x").await;
    assert_eq!(api("alice").finished(&job).await["state"], "succeeded");
    let refused = api("dave")
        .post_json(
            "/api/v1/jobs",
            &json!({"task_type": "default", "content": "x"}),
        )
        .await;
    refused.is_error(503, "unavailable");
    let token = format!("Bearer {}", two.token("dave"));
    let refused = Client::open(&gateway, "authorization", &token).await;
    assert_eq!(refused.err(), Some(503));
    // What is alike in all of them, or done in each, is so in the one that is there.
    assert_eq!(api("dave").get("/api/v1/me").await.body["shards"], 2);
    let tasks = api("dave").get("/api/v1/tasks").await;
    assert_eq!(tasks.status, 200, "{tasks:?}");
    let mut client = Client::with_token(&gateway, &two.token("alice")).await;
    let notice = json!({"content": "heard"});
    let sent = api("dave").post_json("/api/v1/notices", &notice).await;
    sent.is_error(503, "unavailable");
    assert_eq!(client.next().await.text(), "heard");
    // What is not found may be in the one that is away, and what is found is not left for that.
    let later = json!({"task_type": "default", "content": "x", "delay": 3600});
    let job = api("alice").submit_as(&later).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let (done, told) = two.ran(&["jobs", "cancel", unknown, &job]).await;
    assert!(!done && told.contains("could not reach"), "{told}");
    assert!(told.contains(&format!("{job} cancelled")), "{told}");

    let ready = api("alice").get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.text(),
        "ready\nshard 2: the database has not been taken up yet; the log says why\n"
    );

    two.databases[1].start_server().await;
    let dave = Api::with_token(&gateway, &two.token("dave"));
    let body = json!({"task_type": "default", "content": "x"});
    eventually_within(
        Duration::from_secs(60),
        "the second should be found",
        async || dave.post_json("/api/v1/jobs", &body).await.status == 202,
    )
    .await;
    let job = dave.submit_as(&body).await;
    assert_eq!(dave.finished(&job).await["state"], "succeeded");
    drop(worker);
}

#[tokio::test]
async fn a_database_that_comes_and_is_not_as_it_should_be_keeps_nobody_else_from_work() {
    let mut two = Two::on_their_own_servers().await;
    two.databases[1]
        .execute("drop schema ringback cascade")
        .await;
    two.databases[1].end_server("INT").await;
    let mut gateway = two.gateway(&[]).await;
    two.databases[1].start_server().await;
    gateway
        .printed_one_of(&["missing", "older", "has no schema"])
        .await;
    let alice = Api::with_token(&gateway, &two.token("alice"));
    alice.submit("default", "x").await;
    assert!(gateway.runs());

    let (done, told) = two.ran(&["migrate"]).await;
    assert!(done, "{told}");
    let dave = Api::with_token(&gateway, &two.token("dave"));
    let body = json!({"task_type": "default", "content": "x"});
    let patience = Duration::from_secs(60);
    eventually_within(patience, "the second should be taken up", async || {
        dave.post_json("/api/v1/jobs", &body).await.status == 202
    })
    .await;

    // Whoever begins with such a one is told at once.
    two.databases[1]
        .execute("drop schema ringback cascade")
        .await;
    let (done, told) = two.ran(&["worker"]).await;
    assert!(!done && told.contains("ringback migrate"), "{told}");
}
