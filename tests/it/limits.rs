//! Limits of tasks and of their keys: held exactly, whatever the workers do, and without slowing anybody else.

mod looks;

use std::time::Duration;

use serde_json::json;

use crate::faults::running;
use crate::support::{Client, Program, TestDatabase, eventually};

async fn two_workers(database: &TestDatabase) -> [Program; 2] {
    [
        Program::unruly(database).await,
        Program::unruly(database).await,
    ]
}

async fn results(client: &mut Client, count: usize) {
    for _ in 0..count {
        let message = client.next().await;
        assert_eq!(message.action(), "job_result", "{message:?}");
    }
}

#[tokio::test]
async fn of_one_key_there_are_never_two_at_once() {
    let database = TestDatabase::new().await;
    let _workers = two_workers(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for number in 0..50 {
        let payload = json!({"task_type": "single", "content": "0.02", "concurrency_key": "k", "priority": number % 3});
        client
            .send(json!({"action": "system_message", "payload": payload}))
            .await;
    }
    let mut done = 0;
    while done < 50 {
        match client.next().await.action() {
            "job_queued" => {}
            "job_result" => done += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(database.most_at_once("true").await, 1);
    let workers = "select count(distinct worker_id) from ringback.attempts";
    let workers: i64 = sqlx::query_scalar(workers)
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(workers, 2, "both should have had a turn");
    assert_eq!(database.count("ringback.job").await, 0);
}

#[tokio::test]
async fn keys_do_not_wait_for_each_other_and_a_job_without_one_for_nobody() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let first = json!({"content": "60", "concurrency_key": "a"});
    client.submit_with("single", first).await;
    running(&database, 1).await;
    let behind = json!({"content": "0", "concurrency_key": "a"});
    client.submit_with("single", behind).await;
    let other = json!({"content": "0", "concurrency_key": "b"});
    let other = client.submit_with("single", other).await;
    assert_eq!(client.next().await.job_id(), other);
    let free = client.submit_with("single", json!({"content": "0"})).await;
    assert_eq!(client.next().await.job_id(), free);
    let held = "ringback.jobs where state = 'held'";
    assert_eq!(database.count(held).await, 1);
    let health = "ringback.queue_health where held = 1 and running = 1 and ready = 0";
    assert_eq!(database.count(health).await, 1);
}

#[tokio::test]
async fn a_task_and_its_keys_are_limited_together() {
    let database = TestDatabase::new().await;
    let _workers = two_workers(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for number in 0..30 {
        let key = format!("k{}", number % 5);
        let payload = json!({"task_type": "few", "content": "0.1", "concurrency_key": key});
        client
            .send(json!({"action": "system_message", "payload": payload}))
            .await;
    }
    let mut done = 0;
    while done < 30 {
        match client.next().await.action() {
            "job_queued" => {}
            "job_result" => done += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(database.most_at_once("true").await, 3);
}

#[tokio::test]
async fn no_more_start_within_a_time_than_the_rate_allows() {
    let database = TestDatabase::new().await;
    let _workers = two_workers(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for _ in 0..10 {
        client.ask("paced", "").await;
    }
    let mut done = 0;
    while done < 10 {
        match client.next().await.action() {
            "job_queued" => {}
            "job_result" => done += 1,
            other => panic!("{other}"),
        }
    }
    let within_a_second = "
        select max(starts) from (
            select count(*) as starts
            from ringback.jobs as one
            join ringback.jobs as other
                on other.started_at >= one.started_at and other.started_at < one.started_at + interval '1 second'
            group by one.id
        ) as windows";
    let most: i64 = sqlx::query_scalar(within_a_second)
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(most, 3);
}

#[tokio::test]
async fn room_is_left_behind_by_whatever_ends_an_attempt() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let key = |seconds: &str| json!({"content": seconds, "concurrency_key": "k"});
    // Cancelled while it runs, while it is held, and when its worker is dead.
    let runs = client.submit_with("single", key("60")).await;
    running(&database, 1).await;
    let held = client.submit_with("single", key("60")).await;
    let next = client.submit_with("single", key("0")).await;
    for job in [&held, &runs] {
        client.ask_to_cancel(job).await;
        assert_eq!(client.next().await.action(), "job_cancelling");
        assert_eq!(client.next().await.job_id(), *job);
    }
    assert_eq!(client.next().await.job_id(), next);

    let runs = client.submit_with("single", key("1")).await;
    running(&database, 1).await;
    let behind = client.submit_with("single", key("0")).await;
    first.kill();
    let _second = Program::unruly(&database).await;
    // It goes back to its place, before the one behind it.
    assert_eq!(client.next().await.job_id(), runs);
    assert_eq!(client.next().await.job_id(), behind);
    let crashed = "ringback.attempts where outcome = 'crashed'";
    assert_eq!(database.count(crashed).await, 1);
    assert_eq!(database.most_at_once("true").await, 1);
}

#[tokio::test]
async fn what_is_held_is_let_through_also_when_hints_are_lost() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    database
        .execute(
            "create or replace function ringback.hint(channel text, payload text) returns void
             language sql as 'select'",
        )
        .await;
    for _ in 0..2 {
        let job = json!({"content": "0", "concurrency_key": "k"});
        client.submit_with("single", job).await;
    }
    results(&mut client, 2).await;
}

#[tokio::test]
async fn a_hundred_thousand_held_jobs_are_not_in_the_way_of_others() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // It runs for longer than all of this takes on the slowest machine.
    let first = json!({"content": "600", "concurrency_key": "k"});
    client.submit_with("single", first).await;
    running(&database, 1).await;
    let held = "'single', content => '0', priority => 100, concurrency_key => 'k'";
    database.enqueue(held).await.unwrap();
    database
        .execute(
            "insert into ringback.job
             select (jsonb_populate_record(job, jsonb_build_object('id', ringback.uuid_new()))).*
             from ringback.job, generate_series(2, 100000)
             where job.state = 'held'",
        )
        .await;
    eventually("they should all be held", async || {
        database.count("ringback.limit_event").await == 0
            && database.count("ringback.job where state = 'held'").await == 100_000
    })
    .await;
    let read = || async {
        database.execute("select pg_stat_force_next_flush()").await;
        let read =
            "select idx_tup_read + 0 from pg_stat_user_indexes where indexrelname = 'job_ready'";
        sqlx::query_scalar::<_, i64>(read)
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    let before = read().await;
    for _ in 0..20 {
        client.submit("count", "").await;
        assert_eq!(client.next().await.action(), "job_result");
    }
    // Statistics come from each connection when it has been idle for a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = read().await;
    assert!(after - before < 2_000, "{} entries", after - before);
}
