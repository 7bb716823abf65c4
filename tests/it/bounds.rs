//! How much a gateway takes of one client: messages in a time, jobs that wait, contents, tickets.

use std::time::Duration;

use ringback::auth::Algorithm;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Answer, Api, Client, Issuer, Program, TestDatabase, eventually};

/// What those who submit jobs may do.
pub(crate) const SCOPES: &str = "jobs:submit jobs:read";

/// The answers to so many pings that are sent at once, each with its number beside it.
pub(crate) async fn ping(client: &mut Client, times: usize) -> Vec<Value> {
    for number in 0..times {
        client
            .send(json!({"action": "ping", "ref": number.to_string()}))
            .await;
    }
    let mut answers = Vec::new();
    for number in 0..times {
        let answer = client.next().await.0;
        assert_eq!(answer["ref"], number.to_string());
        answers.push(answer);
    }
    answers
}

/// How many of them were refused, each as it should be.
pub(crate) fn refused(answers: &[Value]) -> usize {
    let refused = answers.iter().filter(|answer| answer["action"] == "error");
    refused
        .inspect(|answer| {
            assert_eq!(answer["payload"][0]["type"], "rate_limited", "{answer}");
            assert_eq!(answer["payload"][0]["retry_after"], 1, "{answer}");
        })
        .count()
}

#[tokio::test]
async fn a_socket_that_sends_too_fast_is_told_so_and_stays() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-rate-per-socket", "50"]).await;
    let (mut fast, mut slow) = (
        Client::connect(&gateway).await,
        Client::connect(&gateway).await,
    );
    let answers = ping(&mut fast, 300).await;
    assert!(refused(&answers[..50]) == 0, "a second's worth is granted");
    assert!(refused(&answers) > 100, "{}", refused(&answers));
    assert_eq!(refused(&ping(&mut slow, 10).await), 0);
    // Nothing was done for what was refused, and what comes later is taken.
    fast.listen_for(Duration::from_secs(1)).await;
    assert_eq!(refused(&ping(&mut fast, 10).await), 0);
}

#[tokio::test]
async fn a_subject_that_asks_too_fast_is_told_so_on_all_its_sockets_and_requests() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer
        .serve(&database, &["--max-rate-per-subject", "20"])
        .await;
    let (alice, bob) = (issuer.token("alice", SCOPES), issuer.token("bob", SCOPES));
    let mut first = Client::with_token(&gateway, &alice).await;
    let mut second = Client::with_token(&gateway, &alice).await;
    ping(&mut first, 100).await;
    assert!(refused(&ping(&mut second, 100).await) > 50);
    let api = Api::with_token(&gateway, &alice);
    // On a busy machine, a twentieth of a second may pass between the last ping and the request: then one may pass.
    eventually("a request should be refused as well", async || {
        ping(&mut first, 100).await;
        let answer = api.get("/api/v1/jobs").await;
        if answer.status == 200 {
            return false;
        }
        answer.is_error(429, "rate_limited");
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
        true
    })
    .await;
    let mut other = Client::with_token(&gateway, &bob).await;
    assert_eq!(refused(&ping(&mut other, 10).await), 0);
    assert_eq!(
        Api::with_token(&gateway, &bob)
            .get("/api/v1/jobs")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_subject_has_so_many_jobs_that_wait_and_another_is_not_kept_from_its_own() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer
        .serve(&database, &["--max-waiting-per-subject", "10"])
        .await;
    let mut alice = Client::with_token(&gateway, &issuer.token("alice", SCOPES)).await;
    for _ in 0..10 {
        alice.submit("default", "a").await;
    }
    let is_busy = async |client: &mut Client| {
        client.ask("default", "one more").await;
        let answer = client.next().await.0;
        let busy = answer["payload"][0]["type"] == "busy";
        assert!(busy || answer["action"] == "job_queued", "{answer}");
        busy
    };
    assert!(is_busy(&mut alice).await);
    let api = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
    let one = json!({"task_type": "default", "content": "one more"});
    api.post_json("/api/v1/jobs", &one)
        .await
        .is_error(503, "busy");
    let many = json!({"jobs": [one]});
    api.post_json("/api/v1/jobs/batch", &many)
        .await
        .is_error(503, "busy");
    assert_eq!(database.count("ringback.job").await, 10);

    let mut bob = Client::with_token(&gateway, &issuer.token("bob", SCOPES)).await;
    assert!(!is_busy(&mut bob).await);
    // Counted anew, they are still as many; when they are over, more may come.
    alice.listen_for(Duration::from_secs(2)).await;
    assert!(is_busy(&mut alice).await);
    let _worker = Program::worker(&database, &[]).await;
    for _ in 0..10 {
        assert_eq!(alice.next().await.action(), "job_result");
    }
    let mut back = Client::with_token(&gateway, &issuer.token("alice", SCOPES)).await;
    eventually("more may come", async || !is_busy(&mut back).await).await;
}

#[tokio::test]
async fn a_content_that_is_too_large_is_refused_and_one_that_just_fits_is_not() {
    let database = TestDatabase::new().await;
    database.knows("anything").await;
    let gateway = Program::serve(&database, &["--max-content", "100"]).await;
    let mut client = Client::connect(&gateway).await;
    let api = Api::of(&gateway);
    client.submit("default", &"x".repeat(100)).await;
    for payload in [
        json!({"task_type": "default", "content": "x".repeat(101)}),
        json!({"task_type": "anything", "input": {"text": "x".repeat(100)}}),
    ] {
        let field = if payload["content"].is_null() {
            "input"
        } else {
            "content"
        };
        client
            .send(json!({"action": "system_message", "payload": payload}))
            .await;
        let answer = client.next().await.0;
        let error = &answer["payload"][0];
        assert_eq!(error["type"], "too_large", "{answer}");
        assert_eq!(error["loc"], json!(["system_message", "payload", field]));
        let answer = api.post_json("/api/v1/jobs", &payload).await;
        answer.is_error(422, "too_large");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", field]));
    }
    assert_eq!(database.count("ringback.job").await, 1);
}

#[tokio::test]
async fn a_subject_without_a_socket_is_held_to_its_limit_as_well() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer
        .serve(&database, &["--max-waiting-per-subject", "5"])
        .await;
    let api = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
    let mut cancelled = Vec::new();
    for _ in 0..5 {
        let job = api.submit("default", "a").await;
        api.post(&format!("/api/v1/jobs/{job}/cancel")).await;
        cancelled.push(job);
    }
    let one = json!({"task_type": "default", "content": "one more"});
    eventually("five may wait", async || {
        api.post_json("/api/v1/jobs", &one).await;
        database.count("ringback.job").await == 5
    })
    .await;
    // However often it asks, and over whatever time.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        api.post_json("/api/v1/jobs", &one)
            .await
            .is_error(503, "busy");
        let retry = format!("/api/v1/jobs/{}/retry", cancelled[0]);
        api.post(&retry).await.is_error(503, "busy");
        let many = json!({"ids": cancelled});
        api.post_json("/api/v1/jobs/retry", &many)
            .await
            .is_error(503, "busy");
    }
    assert_eq!(database.count("ringback.job").await, 5);
}

#[tokio::test]
async fn tickets_are_not_sold_without_end() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let api = Api::with_token(&gateway, &issuer.token("alice", ""));
    // All at once, so that it is faster than may be on any machine.
    let bought = (0..300).map(|_| api.post("/api/v1/tickets"));
    let answers = futures_util::future::join_all(bought).await;
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status != 201)
        .collect();
    assert!(refused.len() < answers.len(), "some are sold");
    let first = refused.first().expect("they are sold without end");
    first.is_error(429, "rate_limited");
    let bob = Api::with_token(&gateway, &issuer.token("bob", ""));
    assert_eq!(bob.post("/api/v1/tickets").await.status, 201);
}
