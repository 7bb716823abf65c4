//! Attempts that panic, fail or take too long, and whether there is another.

use serde_json::json;

use crate::support::{Client, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_panic_is_a_failure_and_is_tried_again() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("panic", "").await;
    eventually("the first attempt should be recorded", async || {
        database
            .count(
                "ringback.attempts where attempt = 1 and outcome = 'failed' and error_code = 'task_panicked'
                 and error = 'the task panicked: as it was asked to'",
            )
            .await
            == 1
    })
    .await;
    // It is not over: it waits for its time, or runs again.
    assert_eq!(database.count("ringback.job where failures >= 1").await, 1);
    // The third attempt at the latest, so that the test need not wait for all five.
    database
        .execute("update ringback.job set max_attempts = 2")
        .await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", job));
    assert_eq!(failed.0["job"]["code"], "task_panicked");
    let attempts = failed.0["job"]["attempts"].as_i64().unwrap();
    assert!((2..=3).contains(&attempts), "{attempts}");
    let counted = format!("ringback.job_history where failures = {attempts} and crashes = 0");
    assert_eq!(database.count(&counted).await, 1);
    // The worker is none the worse for it.
    client.submit("count", "").await;
    assert_eq!(client.next().await.text(), "1");
}

#[tokio::test]
async fn a_task_says_whether_it_is_tried_again() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("fail", "").await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", job));
    assert_eq!(failed.text(), "as it was asked to");
    assert_eq!(
        failed.0["job"],
        json!({"code": "task_failed", "attempts": 1})
    );

    client.submit("flaky", "3").await;
    assert_eq!(client.next().await.text(), "done at attempt 3");
    let attempts: Vec<(i32, String)> = sqlx::query_as(
        "select attempt, outcome || coalesce(': ' || attempts.error, '') from ringback.attempts join ringback.jobs on id = job_id
         where task = 'flaky' order by attempt",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(
        attempts,
        [
            (1, "failed: attempt 1 of 3".to_owned()),
            (2, "failed: attempt 2 of 3".to_owned()),
            (3, "succeeded".to_owned())
        ]
    );
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_dropped_and_has_failed() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("late", "3600").await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", job));
    assert_eq!(failed.text(), "the task took longer than 500ms");
    assert_eq!(
        failed.0["job"],
        json!({"code": "time_limit", "attempts": 2})
    );
    let attempts = "ringback.attempts where error_code = 'time_limit'
        and ended_at - started_at >= interval '0.5 s'";
    assert_eq!(database.count(attempts).await, 2);
    // One after the other.
    let in_turn = "ringback.attempts first join ringback.attempts second using (job_id)
        where first.attempt = 1 and second.attempt = 2 and second.started_at > first.ended_at";
    assert_eq!(database.count(in_turn).await, 1);
    client.submit("late", "0").await;
    assert_eq!(client.next().await.text(), "held");
}
