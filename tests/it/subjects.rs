//! Whose what is: jobs, sessions and results belong to a subject, and those of another are not found, whichever way one
//! asks for them.

use ringback::auth::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Client, Issuer, Program, TestDatabase};

const SCOPES: &str = "jobs:submit jobs:read notices:send metrics:read";

#[tokio::test]
async fn another_subjects_job_is_not_found_over_http() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let alice = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
    let bob = Api::with_token(&gateway, &issuer.token("bob", SCOPES));
    let operator = Api::with_token(&gateway, &issuer.token("eve", "admin"));
    let job = alice.submit("default", "a secret of alice").await;
    let theirs = bob.submit("default", "bob's own").await;
    let ids = |answer: &Answer| {
        let jobs = answer.body["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    // There is no worker: both wait, so that everything that is asked of them could be done.
    let paths = ["", "?wait=1", "/attempts", "/chunks", "/events"];
    for path in paths {
        let answer = bob.get(&format!("/api/v1/jobs/{job}{path}")).await;
        answer.is_error(404, "not_found");
    }
    for what in ["cancel", "retry"] {
        let answer = bob.post(&format!("/api/v1/jobs/{job}/{what}")).await;
        answer.is_error(404, "not_found");
        let many = json!({"ids": [job]});
        let answer = bob.post_json(&format!("/api/v1/jobs/{what}"), &many).await;
        assert_eq!(answer.body["unchanged"], 1, "{answer:?}");
    }
    for filter in ["", "?owner=alice", "?search=secret", &format!("?id={job}")] {
        let answer = bob.get(&format!("/api/v1/jobs{filter}")).await;
        assert!(!ids(&answer).contains(&job), "{filter}: {answer:?}");
        let answer = bob.get(&format!("/api/v1/jobs/ids{filter}")).await;
        assert!(
            !answer.body.to_string().contains(&job),
            "{filter}: {answer:?}"
        );
    }
    assert_eq!(ids(&bob.get("/api/v1/jobs").await), [theirs.as_str()]);
    assert_eq!(
        ids(&bob.get("/api/v1/jobs?owner=bob").await),
        [theirs.as_str()]
    );

    // Whose they are, and whoever may do everything, are answered.
    for asks in [&alice, &operator] {
        assert_eq!(asks.job(&job).await["input"], "a secret of alice");
    }
    assert_eq!(ids(&alice.get("/api/v1/jobs").await), [job.as_str()]);
    assert_eq!(
        ids(&operator.get("/api/v1/jobs?owner=alice").await),
        [job.as_str()]
    );
    assert_eq!(ids(&operator.get("/api/v1/jobs").await).len(), 2);
    let cancelled = alice.post(&format!("/api/v1/jobs/{job}/cancel")).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let again = alice.post(&format!("/api/v1/jobs/{job}/retry")).await;
    assert_eq!(again.status, 202, "{again:?}");
    assert_eq!(alice.job(&again.job()).await["owner"], "alice");
    let cancelled = operator
        .post(&format!("/api/v1/jobs/{theirs}/cancel"))
        .await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
}

#[tokio::test]
async fn another_subjects_job_and_session_are_not_found_on_a_socket() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let connect = async |subject: &str| {
        Client::with_token(&gateway, &issuer.token(subject, "jobs:submit")).await
    };
    let mut alice = connect("alice").await;
    let secret = alice.begin().await;
    let job = alice.submit("default", "a").await;
    let asked = |client: Client, action: &'static str, job: String| async move {
        let mut client = client;
        let payload = json!({"job_id": job});
        client
            .send(json!({"action": action, "payload": payload}))
            .await;
        let answer = client.next().await.0;
        (client, answer)
    };
    let mut bob = connect("bob").await;
    for action in ["cancel_job", "retry_job"] {
        let (same, answer) = asked(bob, action, job.clone()).await;
        assert_eq!(answer["payload"][0]["type"], "not_found", "{answer}");
        bob = same;
    }
    // Not even with the secret of the session.
    let (_, recovered, pending) = bob.resume(Some(&secret)).await;
    assert!(!recovered && pending.is_empty());
    drop(alice);
    let mut back = connect("alice").await;
    let pending = back.recover(&secret).await;
    assert_eq!(pending.len(), 1, "{pending:?}");

    let _worker = Program::worker(&database, &[]).await;
    assert_eq!(back.next().await.job_id(), job);
    bob.expect_silence().await;
}

#[tokio::test]
async fn a_key_is_its_subjects_own() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let mut jobs = Vec::new();
    for subject in ["alice", "bob", "alice"] {
        let api = Api::with_token(&gateway, &issuer.token(subject, SCOPES));
        let body = json!({"task_type": "default", "content": "the same"});
        jobs.push(api.submit_with_key("the same key", &body).await.job());
    }
    assert_ne!(jobs[0], jobs[1]);
    assert_eq!(jobs[0], jobs[2]);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let lifetime = std::time::Duration::from_secs(3);
    let alice = Api::with_token(&gateway, &issuer.token_for("alice", "admin", lifetime));
    let job = alice.submit("default", "a").await;
    let (events, overview) = (
        alice.events(&job, None).await,
        alice.follow("/api/v1/overview/events").await,
    );
    let (of_the_job, of_all): (Vec<_>, Vec<_>) = tokio::join!(events.all(), overview.all());
    assert_eq!(of_the_job, []);
    assert!(!of_all.is_empty());
    alice.get("/api/v1/me").await.is_error(401, "unauthorized");
    let left: Value = json!(database.count("ringback.job").await);
    assert_eq!(left, 1);
}
