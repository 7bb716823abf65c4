//! When jobs start: later, in their order, in their queue, and not while that is paused.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::{Client, Program, TestDatabase, eventually};

impl TestDatabase {
    /// The most jobs that ran at the same moment, by their starts and ends in the history.
    pub(crate) async fn most_at_once(&self, which: &str) -> i64 {
        let overlaps = format!(
            "(
                select count(*) as jobs
                from ringback.jobs as one
                join ringback.jobs as other on other.started_at <= one.started_at and other.finished_at > one.started_at
                    and {which}
                group by one.id
            ) as moments"
        );
        let query = format!("select coalesce(max(jobs), 0) from {overlaps}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

/// The contents of finished jobs, in the order in which they started.
async fn started(database: &TestDatabase) -> Vec<String> {
    let started =
        "select content from ringback.jobs where started_at is not null order by started_at";
    sqlx::query_scalar(started)
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_with_a_delay_waits_for_it_and_no_longer_than_it_must() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit_with("default", json!({"delay": 1.5})).await;
    assert_eq!(
        database
            .count("ringback.jobs where state = 'scheduled'")
            .await,
        1
    );
    let result = client.next().await;
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
    let waited = "ringback.jobs where started_at >= queued_at + interval '1.5 seconds'";
    assert_eq!(database.count(waited).await, 1);
}

#[tokio::test]
async fn a_job_for_a_time_starts_then_and_one_for_a_time_that_has_passed_at_once() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let past = client
        .submit_with("default", json!({"run_at": "2001-09-09T01:46:40Z"}))
        .await;
    assert_eq!(client.next().await.job_id(), past);
    let soon = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(2)).unwrap();
    let job = client.submit_with("default", json!({"run_at": soon})).await;
    assert_eq!(client.next().await.job_id(), job);
    let in_time = format!("ringback.jobs where id = '{job}' and started_at >= '{soon}'");
    assert_eq!(database.count(&in_time).await, 1);
}

#[tokio::test]
async fn what_is_more_important_starts_first() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for (content, priority) in [("low", -1), ("first", 5), ("plain", 0), ("second", 5)] {
        client
            .submit_with("default", json!({"content": content, "priority": priority}))
            .await;
    }
    let _worker = Program::worker(&database, &["--concurrency", "1"]).await;
    for _ in 0..4 {
        client.next().await;
    }
    assert_eq!(
        started(&database).await,
        ["first", "second", "plain", "low"]
    );
}

#[tokio::test]
async fn a_submission_says_how_often_it_may_fail() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client
        .submit_with("panic", json!({"max_attempts": 1}))
        .await;
    let failed = client.next().await;
    assert_eq!(failed.action(), "job_failed");
    assert_eq!(
        failed.0["job"],
        json!({"code": "task_panicked", "attempts": 1})
    );
}

async fn queues(database: &TestDatabase, arguments: &[&str]) -> String {
    let mut command = Program::start(database, &[&["queues"], arguments].concat());
    assert!(command.ended().await.success(), "{}", command.output());
    command.output()
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_until_it_goes_on() {
    let database = TestDatabase::new().await;
    let _workers = [
        Program::worker(&database, &[]).await,
        Program::worker(&database, &[]).await,
    ];
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "a").await;
    client.next().await;
    assert_eq!(
        queues(&database, &["pause", "default"]).await,
        "default is paused"
    );
    let job = client.submit("default", "b").await;
    client.listen_for(Duration::from_secs(1)).await;
    let listed = queues(&database, &["list"]).await;
    let words: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words, ["default", "paused", "1", "0", "0", "0"], "{listed}");
    assert_eq!(
        queues(&database, &["resume", "default"]).await,
        "default goes on"
    );
    assert_eq!(client.next().await.job_id(), job);
    let paused = "ringback.queue_health where paused_at is not null";
    assert_eq!(database.count(paused).await, 0);
}

#[tokio::test]
async fn a_paused_queue_goes_on_within_a_second_also_when_hints_are_lost() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // Whoever waits for the poll of every five seconds would have to be lucky each time.
    for _ in 0..4 {
        queues(&database, &["pause", "default"]).await;
        client.submit("default", "a").await;
        // By now the worker has seen that the queue is paused.
        client.listen_for(Duration::from_secs(1)).await;
        let resume = "update ringback.queue set paused_at = null returning clock_timestamp()::text";
        let resumed: String = sqlx::query_scalar(resume)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        client.next().await;
        let late = format!(
            "ringback.jobs where started_at > '{resumed}'::timestamptz + interval '2 seconds'"
        );
        assert_eq!(database.count(&late).await, 0);
        database.execute("delete from ringback.job_history").await;
    }
}

#[tokio::test]
async fn a_worker_takes_no_more_of_a_queue_than_its_width_and_nothing_of_others() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let _worker = Program::start(
        &database,
        &[
            "worker",
            "--queues",
            "default=2,other",
            "--delay-scale",
            "0.1",
        ],
    );
    for _ in 0..8 {
        client.submit("translate", "hello").await;
    }
    for _ in 0..8 {
        assert_eq!(client.next().await.action(), "job_result");
    }
    // Each takes a fifth of a second, so that every other one starts that long after the one before the last.
    let too_soon = "(
            select started_at - lag(started_at, 2) over (order by started_at) as since from ringback.jobs
        ) as starts
        where since < interval '0.2 seconds'";
    assert_eq!(database.count(too_soon).await, 0);

    // Of a queue that it was not told to serve it takes nothing.
    let elsewhere = "update ringback.task set queue = 'elsewhere' where name = 'translate'";
    database.execute(elsewhere).await;
    let job = database.enqueue("'translate', content => 'hello'").await;
    client.submit("default", "a").await;
    client.next().await;
    let _elsewhere = Program::worker(&database, &["--queues", "elsewhere"]).await;
    eventually("it should be done elsewhere", async || {
        let done = format!("ringback.job_history where id = '{}'", job.clone().unwrap());
        database.count(&done).await == 1
    })
    .await;
}
