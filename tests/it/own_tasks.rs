//! Tasks of one's own: inputs that are refused before they wait, and jobs that follow jobs.

use std::sync::Mutex;
use std::time::Duration;

use ringback::ids::{ClaimId, WorkerId};
use ringback::queue::claim::{Want, claim};
use ringback::queue::finish::finish;
use ringback::queue::submit::{Request, submit};
use ringback::queue::{Cursor, Ended, Ending, Try};
use ringback::task::FollowUp;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::examples::run;
use crate::support::{Api, Client, DataDir, Program, TestDatabase, eventually};

fn ask(task: &str, input: &Value) -> Value {
    json!({"action": "system_message", "payload": {"task_type": task, "input": input}})
}

#[tokio::test]
async fn an_input_that_its_task_cannot_read_is_refused_with_its_path_and_not_queued() {
    let database = TestDatabase::new().await;
    // The gateway does not have this task: it knows of it from the table.
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let api = Api::of(&gateway);
    for (input, kind, path) in [
        (json!("a"), "list_type", json!([])),
        (json!({"a": 1}), "list_type", json!([])),
        (json!(["a", 1]), "string_type", json!(["1"])),
    ] {
        client.send(ask("follow", &input)).await;
        let error = client.next().await.0["payload"][0].clone();
        let mut loc = vec![json!("system_message"), json!("payload"), json!("input")];
        loc.extend(path.as_array().unwrap().iter().cloned());
        assert_eq!((&error["type"], &error["loc"]), (&json!(kind), &json!(loc)));
        let answer = api
            .post_json(
                "/api/v1/jobs",
                &json!({"task_type": "follow", "input": input}),
            )
            .await;
        loc.splice(..2, [json!("body")]);
        let error = &answer.body["errors"][0];
        assert_eq!((answer.status, &error["loc"]), (422, &json!(loc)));
        assert!(!error["msg"].as_str().unwrap().contains('{'), "{error}");
    }
    // One among others that are well keeps them all out, and says which it is.
    let batch = json!({"jobs": [
        {"task_type": "follow", "input": ["a"]},
        {"task_type": "follow", "input": [null]},
    ]});
    let answer = api.post_json("/api/v1/jobs/batch", &batch).await;
    let loc = json!(["body", "jobs", "1", "input", "0"]);
    assert_eq!(
        (answer.status, &answer.body["errors"][0]["loc"]),
        (422, &loc)
    );
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_history").await, 0);
    client.send(ask("follow", &json!([]))).await;
    assert_eq!(client.next().await.action(), "job_queued");
    assert_eq!(client.next().await.text(), "0");
}

#[tokio::test]
async fn the_jobs_that_a_job_asks_for_are_stored_with_its_result_or_not_at_all() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.send(ask("follow", &json!(["a", "b", "c"]))).await;
    assert_eq!(client.next().await.action(), "job_queued");
    assert_eq!(client.next().await.text(), "3");
    let followed =
        "ringback.job_history where task = 'count' and state = 'succeeded' and owner = 'anonymous'";
    eventually("those that follow should be done", async || {
        database.count(followed).await == 3
    })
    .await;

    client.send(ask("follow", &json!(["d", "fail"]))).await;
    assert_eq!(client.next().await.action(), "job_queued");
    assert_eq!(client.next().await.action(), "job_failed");
    // Where there is no task for it, nor a default one: it is tried again, and its result is stored when there is.
    database
        .execute("delete from ringback.task where name = 'default'")
        .await;
    client.send(ask("follow", &json!(["e", "unknown"]))).await;
    let job = client.next().await.job_id();
    let put_back = format!(
        "ringback.attempts where job_id = '{job}' and outcome = 'failed' and error_code = 'outcome_unstorable'
         and error like 'its outcome could not be stored: no task is called nobody can do this (A task is known once %'"
    );
    eventually("it should go back to its queue", async || {
        database.count(&put_back).await > 0
    })
    .await;
    database.knows("nobody can do this").await;
    let result = client.next().await;
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
    eventually("what follows should be stored", async || {
        database
            .count("ringback.job where task = 'nobody can do this'")
            .await
            == 1
            && database
                .count("ringback.job_history where task = 'count'")
                .await
                == 5
    })
    .await;
}

/// As a worker that was frozen gets its job again while what it did before still waits to be stored.
#[tokio::test]
async fn of_two_outcomes_of_one_job_only_what_follows_the_recorded_one_is_stored() {
    let database = TestDatabase::new().await;
    database.knows("a").await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let job = submit(&mut connection, &Request::new("a", json!("x")))
        .await
        .unwrap();
    let cursor = Mutex::new(Cursor::new(vec!["default".to_owned()]));
    let names = ["a".to_owned()];
    let want = Want::any(WorkerId::random(), &names, 1);
    let claimed = claim(&mut connection, &cursor, &want).await.unwrap().jobs;
    let outcome = |claim_id: ClaimId, next: &str| Ended {
        id: job,
        claim_id,
        ending: Ending::Succeeded {
            result: json!(next),
            then: vec![FollowUp::new("a", next)],
        },
    };
    let outcomes = [
        outcome(ClaimId(Uuid::new_v4()), "outdated"),
        outcome(claimed[0].claim_id, "recorded"),
    ];
    finish(&mut connection, &outcomes, Try::FIRST)
        .await
        .unwrap();
    assert_eq!(
        database
            .count("ringback.job where input = '\"recorded\"'")
            .await,
        1
    );
    assert_eq!(database.count("ringback.job").await, 1);
}

/// More than one transaction has time for.
#[tokio::test]
async fn so_much_may_follow_that_it_is_stored_in_parts_and_others_are_not_held_up() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let names: Vec<String> = (0..1_000).map(|name| name.to_string()).collect();
    for _ in 0..20 {
        client.send(ask("follow", &json!(names))).await;
    }
    for _ in 0..20 {
        assert_eq!(client.next().await.action(), "job_queued");
    }
    for _ in 0..20 {
        assert_eq!(client.next().await.text(), "1000");
    }
    let followed = "ringback.job_history where task = 'count'";
    eventually("all that follows should be done", async || {
        database.count("ringback.job").await == 0
    })
    .await;
    assert_eq!(database.count(followed).await, 20_000);
    client.send(ask("follow", &json!(vec!["a"; 1_001]))).await;
    assert_eq!(client.next().await.action(), "job_queued");
    assert!(
        client
            .next()
            .await
            .text()
            .starts_with("a job may ask for at most 1000 others")
    );
}

#[tokio::test]
async fn what_follows_a_job_is_stored_once_however_often_its_outcome_is_cut_off() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut cuts = 0;
    for round in 0..30 {
        for _ in 0..2 {
            client.send(ask("follow", &json!(["a", "b"]))).await;
        }
        // Before, amid or after its transaction, as it happens.
        tokio::time::sleep(Duration::from_micros(round * 700)).await;
        let cut = "(select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'ringback finisher' and datname = current_database()) as cut";
        cuts += database.count(cut).await;
        let mut results = 0;
        while results < 2 {
            match client.next().await.action() {
                "job_result" => results += 1,
                "job_queued" => {}
                other => panic!("a job was {other}"),
            }
        }
    }
    assert!(cuts > 10, "its connection was cut {cuts} times only");
    eventually("all that follows should be done", async || {
        database.count("ringback.job").await == 0
    })
    .await;
    for (task, jobs) in [("follow", 60), ("count", 120)] {
        let done = format!("ringback.job_history where task = '{task}' and state = 'succeeded'");
        assert_eq!(database.count(&done).await, jobs, "{task}");
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn work_that_blocks_hears_that_it_is_to_end_and_keeps_its_place_until_it_has() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly_as(&database, "RINGBACK_CONCURRENCY", "1").await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("grind", "").await;
    // A job runs from when it is claimed; this one has a thread by now.
    eventually("it should have begun", async || {
        database
            .count("ringback.job where state = 'running' and progress is not null")
            .await
            == 1
    })
    .await;
    client
        .send(json!({"action": "cancel_job", "payload": {"job_id": job}}))
        .await;
    assert_eq!(client.next().await.action(), "job_cancelling");
    let ended = client.next().await;
    assert_eq!(ended.action(), "job_result");
    assert_eq!(ended.text(), "ground: true, limited: false");

    // Its attempt is over after 300 ms, but the thread is not free: the only place of the worker is taken until then.
    let stubborn = client.submit("stubborn", "2").await;
    let next = client.submit("count", "").await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", stubborn));
    assert_eq!(failed.0["job"]["code"], "time_limit");
    assert_eq!(client.next().await.job_id(), next);
    let apart = "ringback.job_history as first, ringback.job_history as second
        where first.task = 'stubborn' and second.task = 'count'
            and second.started_at - first.started_at >= interval '2 seconds'
            and first.finished_at - first.started_at < interval '1.5 seconds'";
    assert_eq!(database.count(apart).await, 1);
}

#[tokio::test]
async fn a_job_for_a_task_that_no_worker_has_yet_waits_for_one() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    database.knows("outline").await;
    let _other = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client
        .send(ask("outline", &json!({"markdown": "# A"})))
        .await;
    assert_eq!(client.next().await.action(), "job_queued");
    // A worker that has other tasks does its own, and leaves this one.
    client.submit("count", "").await;
    assert_eq!(client.next().await.text(), "1");
    let waits = "ringback.job where task = 'outline' and state = 'ready' and attempt = 0";
    assert_eq!(database.count(waits).await, 1);
    let _worker = run("outline", &database, &folder).await;
    let result = client.next().await;
    assert_eq!(result.0["job"]["result"][0]["title"], "A");
}
