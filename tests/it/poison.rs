//! One bad apple: what it spoils is itself.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::str::FromStr;

use crate::support::{Client, Program, TestDatabase, eventually, example};

/// A batch of fifty with one culprit is committed in about as many parts as it can be halved; fifty alone would be fifty.
const PARTS: i64 = 10;

#[tokio::test]
async fn a_result_over_the_limit_fails_its_job_and_says_so() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &["--max-result", "1000"]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("default", &"a".repeat(1_000)).await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", job));
    assert_eq!(
        failed.0["job"],
        json!({"code": "result_too_large", "attempts": 1})
    );
    assert!(
        failed.text().contains("larger than 1000 bytes"),
        "{failed:?}"
    );
    let job = client.submit("default", &"a".repeat(900)).await;
    let result = client.next().await;
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
}

#[tokio::test]
async fn one_poisoned_outcome_in_fifty_fails_alone() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let held = Held::table(&database, "ringback.job_history").await;
    let first = client.submit("count", "").await;
    waiting(&database, "ringback finisher").await;
    // The rest gathers behind the first.
    let mut expected = HashMap::from([(first, "1".to_owned())]);
    let mut poison = String::new();
    for number in 0..50 {
        if number == 17 {
            poison = client.submit("nul", "").await;
        } else {
            expected.insert(client.submit("count", "").await, "1".to_owned());
        }
    }
    eventually("all should run", async || {
        database.count("ringback.job where state = 'running'").await == 51
    })
    .await;
    // They take no time: when their worker has beaten once more, they are done.
    next_beat(&database).await;
    held.release().await;

    let mut failed = None;
    while failed.is_none() || !expected.is_empty() {
        let message = client.next().await;
        match message.action() {
            "job_result" => {
                let text = expected.remove(&message.job_id());
                assert_eq!(text.as_deref(), Some(message.text()));
            }
            _ => assert_eq!(failed.replace(message), None),
        }
    }
    client.expect_silence().await;
    let failed = failed.unwrap();
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", poison));
    assert_eq!(failed.0["job"]["code"], "outcome_unstorable");
    assert!(
        failed
            .text()
            .starts_with("its outcome could not be stored: "),
        "{failed:?}"
    );
    assert!(transactions(&database, "ringback.job_history").await <= PARTS);
}

#[tokio::test]
async fn one_poisoned_submission_in_fifty_is_refused_alone() {
    let database = TestDatabase::new().await;
    database
        .execute("alter table ringback.job add constraint poison check (task_type <> 'poison')")
        .await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let held = Held::table(&database, "ringback.job").await;
    client.ask("default", "first").await;
    waiting(&database, "ringback intake").await;
    for number in 0..50 {
        let task_type = if number == 17 { "poison" } else { "default" };
        client
            .send(json!({
                "action": "system_message",
                "payload": {"task_type": task_type, "content": number.to_string()},
                "ref": number.to_string(),
            }))
            .await;
    }
    // Answered after the fifty were read: they wait together.
    client.expect_silence().await;
    held.release().await;

    assert_eq!(client.next().await.action(), "job_queued");
    let mut jobs = HashSet::new();
    for _ in 0..50 {
        let answer = client.next().await;
        if answer.0["ref"] == "17" {
            assert_eq!(answer.action(), "error");
            assert_eq!(answer.0["payload"][0]["type"], "unstorable", "{answer:?}");
        } else {
            assert_eq!(answer.action(), "job_queued", "{answer:?}");
            assert!(jobs.insert(answer.job_id()));
        }
    }
    assert_eq!(jobs.len(), 49);
    assert!(transactions(&database, "ringback.job").await <= PARTS);

    let _worker = Program::worker(&database, &[]).await;
    for _ in 0..50 {
        let message = client.next().await;
        assert_eq!(message.action(), "job_result");
        jobs.remove(&message.job_id());
    }
    assert!(jobs.is_empty());
    client.expect_silence().await;
}

#[tokio::test]
async fn a_hint_that_cannot_be_sent_never_fails_the_work() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "create or replace function ringback.hint(channel text, payload text) returns void language plpgsql as
             $$ begin raise exception 'too many notifications in the NOTIFY queue' using errcode = '54000'; end $$",
        )
        .await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut expected = HashMap::new();
    for _ in 0..10 {
        let job = client.submit_amid_results("count", "", &mut expected).await;
        expected.insert(job, "1".to_owned());
    }
    client.collect(&mut expected).await;
    // Put back, promoted, and tried again.
    client.submit("flaky", "2").await;
    assert_eq!(client.next().await.text(), "done at attempt 2");
    client.expect_silence().await;
    assert!(worker.output().contains("hints could not be sent"));
    assert!(gateway.output().contains("hints could not be sent"));
}

#[tokio::test]
async fn json_that_cannot_be_read_again_stops_nobody() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // Postgres stores it; our reader goes 128 deep.
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    insert(&database, "count", &deep, 1).await;
    let job = client.submit("deep", "").await;
    let result = client.next().await;
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
    assert!(result.text().starts_with("[[["), "{result:?}");
    client.submit("count", "").await;
    assert_eq!(client.next().await.text(), "1");
    eventually("the input should end its own job", async || {
        let failed = "ringback.job_history where error_code = 'input_invalid'";
        database.count(failed).await == 1
    })
    .await;
}

#[tokio::test]
async fn inputs_that_a_task_cannot_read_end_those_jobs_only() {
    // More than the worker has room for, so that their outcomes have to wait as well.
    const BAD: i64 = 1_000;
    let database = TestDatabase::new().await;
    // `shout` reads text.
    insert(&database, "shout", "42", BAD).await;
    let held = Held::table(&database, "ringback.job_history").await;
    let mut worker = Program::spawn(
        std::process::Command::new(example("apalis")).env("DATABASE_URL", &database.url),
    );
    waiting(&database, "ringback finisher").await;
    // As many as fit are held; the others stay where they are.
    next_beat(&database).await;
    insert(&database, "shout", "\"hello\"", 1).await;
    held.release().await;
    eventually("all should end", async || {
        database.count("ringback.job where task = 'shout'").await == 0
    })
    .await;
    let failed = "ringback.job_history where state = 'failed' and error_code = 'input_invalid' and attempt = 1";
    assert_eq!(database.count(failed).await, BAD);
    let shouted =
        "ringback.jobs where task = 'shout' and state = 'succeeded' and result = 'HELLO!'";
    assert_eq!(database.count(shouted).await, 1);
    worker.signal("INT");
    assert!(worker.ended().await.success(), "{}", worker.output());
}

/// An open transaction that lets nobody write to a table.
struct Held {
    connection: PgConnection,
}

impl Held {
    async fn table(database: &TestDatabase, table: &str) -> Self {
        let options = PgConnectOptions::from_str(&database.url).unwrap();
        let mut connection = options.connect().await.unwrap();
        let lock = format!("begin; lock table {table} in share mode");
        connection.execute(AssertSqlSafe(lock)).await.unwrap();
        Self { connection }
    }

    async fn release(mut self) {
        self.connection.execute("rollback").await.unwrap();
        self.connection.close().await.unwrap();
    }
}

/// Waits until a connection of this name waits for a lock.
async fn waiting(database: &TestDatabase, name: &str) {
    let from = format!(
        "pg_stat_activity where datname = current_database() and application_name = '{name}'
         and wait_event_type = 'Lock'"
    );
    eventually("it should wait for the lock", async || {
        database.count(&from).await > 0
    })
    .await;
}

/// Waits until the worker has beaten once more.
async fn next_beat(database: &TestDatabase) {
    let beat = async || {
        sqlx::query_scalar::<_, String>("select max(beat_at)::text from ringback.worker")
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    let before = beat().await;
    eventually("it should beat", async || beat().await != before).await;
}

/// In how many transactions the rows of a table were written.
async fn transactions(database: &TestDatabase, table: &str) -> i64 {
    database
        .count(&format!(
            "(select distinct xmin::text from {table}) as written"
        ))
        .await
}

/// Stores jobs as anybody can, in SQL.
async fn insert(database: &TestDatabase, task: &str, input: &str, jobs: i64) {
    let insert = "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts)
         select overlay(gen_random_uuid()::text placing left(ringback.uuid_floor(now())::text, 13) from 1 for 13)::uuid,
             $1, $1, 'default', $2::jsonb, 'ready', ringback.rank(now(), 0::smallint), now(), 5
         from generate_series(1, $3)";
    sqlx::query(insert)
        .bind(task)
        .bind(input)
        .bind(jobs)
        .execute(&database.pool)
        .await
        .unwrap();
}
