//! Giving jobs another chance.

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Api, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_job_that_has_failed_is_submitted_again_once() {
    let database = TestDatabase::new().await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let asked = json!({
        "task_type": "fail", "input": {"a": 1}, "priority": 3, "max_attempts": 2, "concurrency_key": "k",
    });
    let failed = api.submit_as(&asked).await;
    let before = api.finished(&failed).await;
    assert_eq!(before["state"], "failed");
    drop(worker);

    // Asked for by ten at once, it is one job.
    let mut asking = JoinSet::new();
    for _ in 0..10 {
        let (api, path) = (Api::of(&gateway), format!("/api/v1/jobs/{failed}/retry"));
        asking.spawn(async move { api.post(&path).await });
    }
    let answers = asking.join_all().await;
    let new = answers[0].job();
    for answer in &answers {
        assert_eq!((answer.status, answer.job()), (202, new.clone()));
        assert_eq!(
            answer.location.as_ref().unwrap(),
            &format!("/api/v1/jobs/{new}")
        );
    }
    assert_ne!(new, failed);
    let (old, job) = (api.job(&failed).await, api.job(&new).await);
    assert_eq!(
        (&old["state"], &old["retried_as"]),
        (&json!("failed"), &json!(new))
    );
    assert_eq!(
        (&job["state"], &job["retry_of"]),
        (&json!("ready"), &json!(failed))
    );
    for field in [
        "task",
        "task_type",
        "queue",
        "input",
        "priority",
        "max_attempts",
        "concurrency_key",
        "owner",
    ] {
        assert_eq!(job[field], before[field], "{field}");
    }
    assert_eq!(database.count("ringback.job").await, 1);
    let _worker = Program::unruly(&database).await;
    let job = api.finished(&new).await;
    assert_eq!(
        (&job["state"], &job["retry_of"]),
        (&json!("failed"), &json!(failed))
    );
    // A chain: the retry may be retried.
    let again = api.post(&format!("/api/v1/jobs/{new}/retry")).await;
    assert_eq!(api.finished(&again.job()).await["retry_of"], new);
    let chain = format!("ringback.jobs where retry_of = '{new}' or retried_as = '{new}'");
    assert_eq!(database.count(&chain).await, 2);
}

#[tokio::test]
async fn a_job_that_waits_for_its_time_is_due_now_and_others_are_not_to_retry() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let later = api
        .submit_as(&json!({"task_type": "count", "content": "", "delay": 3600}))
        .await;
    let due = api.post(&format!("/api/v1/jobs/{later}/retry")).await;
    assert_eq!((due.status, due.job()), (200, later.clone()));
    assert_eq!(api.finished(&later).await["result"], "1");
    api.post(&format!("/api/v1/jobs/{later}/retry"))
        .await
        .is_error(409, "conflict");
    let runs = api.submit("hold", "60").await;
    eventually("it should run", async || {
        api.job(&runs).await["state"] == "running"
    })
    .await;
    api.post(&format!("/api/v1/jobs/{runs}/retry"))
        .await
        .is_error(409, "conflict");

    // A limited one waits for room first.
    let limited = json!({"task_type": "single", "content": "60", "concurrency_key": "k"});
    let first = api.submit_as(&limited).await;
    eventually("it should run", async || {
        api.job(&first).await["state"] == "running"
    })
    .await;
    let second = api.submit_as(&limited).await;
    api.post(&format!("/api/v1/jobs/{second}/cancel")).await;
    let third = api
        .post(&format!("/api/v1/jobs/{second}/retry"))
        .await
        .job();
    assert_eq!(api.job(&third).await["state"], "held");
    assert_eq!(
        api.post(&format!("/api/v1/jobs/{third}/retry"))
            .await
            .status,
        200
    );
    assert_eq!(api.job(&third).await["state"], "held");
    api.post(&format!("/api/v1/jobs/{first}/cancel")).await;
    eventually("there should be room for it", async || {
        api.job(&third).await["state"] == "running"
    })
    .await;
}
