//! Jobs from SQL and from a program's own transaction: `ringback.enqueue`.

use std::time::Duration;

use ringback::queue::Due;
use ringback::queue::submit::{Request, SubmitError, submit};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::support::{Client, Program, TestDatabase, eventually};

impl TestDatabase {
    pub(crate) async fn enqueue(&self, arguments: &str) -> Result<Uuid, String> {
        let query = format!("select ringback.enqueue({arguments})");
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.pool)
            .await
            .map_err(|error| error.as_database_error().unwrap().message().to_owned())
    }

    async fn finished(&self, jobs: i64) {
        eventually("the jobs should be over", async || {
            self.count("ringback.job_history").await == jobs
        })
        .await;
    }
}

#[tokio::test]
async fn a_job_from_sql_is_a_job_like_any_other() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    eventually("the tasks should be known", async || {
        database.count("ringback.task").await == 4
    })
    .await;
    let job = database
        .enqueue("'translate', content => 'hello'")
        .await
        .unwrap();
    assert_eq!(job.get_version_num(), 7);
    let unknown = database.enqueue("'fly', content => 'a'").await.unwrap();
    database.finished(2).await;
    let same = format!(
        "ringback.jobs where id = '{job}' and task_type = 'translate' and content = 'hello' and attempts = 1
            and result = '🌍 Translated: ''hello'' → ''hola''' and owner = 'anonymous'"
    );
    assert_eq!(database.count(&same).await, 1);
    let default = format!(
        "ringback.jobs where id = '{unknown}' and task = 'default' and task_type = 'fly' and result = '✅ Processed: A'"
    );
    assert_eq!(database.count(&default).await, 1);
}

#[tokio::test]
async fn every_option_is_kept() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    database
        .enqueue(
            "'translate', input => '{\"a\": [1]}', delay => '1 hour', priority => 3, max_attempts => 2,
             concurrency_key => 'k', owner => 'ann'",
        )
        .await
        .unwrap();
    let kept = "ringback.job where input = '{\"a\": [1]}' and state = 'scheduled' and priority = 3 and max_attempts = 2
        and concurrency_key = 'k' and owner = 'ann' and run_at between now() + interval '59 minutes' and now() + interval '1 hour'
        and rank = ringback.rank(run_at, priority)";
    assert_eq!(database.count(kept).await, 1);
    database
        .enqueue("'translate', content => 'a', run_at => '2100-01-01'")
        .await
        .unwrap();
    let kept = "ringback.job where run_at = '2100-01-01' and max_attempts = 5 and priority = 0";
    assert_eq!(database.count(kept).await, 1);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let database = TestDatabase::new().await;
    for (arguments, message) in [
        ("'translate'", "a job needs either content or input"),
        (
            "'translate', content => 'a', input => '1'",
            "a job needs either content or input",
        ),
        (
            "'translate', content => 'a', delay => '1 s', run_at => now()",
            "a job has either a delay or a run_at",
        ),
        (
            "'translate', content => 'a', delay => '-1 s'",
            "the delay -00:00:01 is negative",
        ),
        (
            "'translate', content => 'a', max_attempts => 0",
            "max_attempts is 0, and must be at least 1",
        ),
        (
            "'translate', content => 'a', priority => 99999",
            "the priority must be from -32768 to 32767",
        ),
        (
            "'translate', content => 'a', concurrency_key => ''",
            "a key is not empty; leave it out, or give null",
        ),
        (
            "'translate', content => 'a', traceparent => '00-1-2-01'",
            "the traceparent 00-1-2-01 is not one of W3C Trace Context",
        ),
        ("'translate', content => 'a'", "no task is called translate"),
    ] {
        assert_eq!(database.enqueue(arguments).await.unwrap_err(), message);
    }
    assert_eq!(database.count("ringback.job").await, 0);
}

#[tokio::test]
async fn a_key_is_the_same_from_sql_and_from_a_socket() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit_with_key("a", "k").await;
    let again = "'default', content => 'a', idempotency_key => 'k'";
    assert_eq!(database.enqueue(again).await.unwrap().to_string(), job);
    let other = "'default', content => 'b', idempotency_key => 'k'";
    assert_eq!(
        database.enqueue(other).await.unwrap_err(),
        "the idempotency key k was used before, for another request"
    );
    let options =
        "'default', content => 'c', delay => '90 s', priority => 2, idempotency_key => 'l'";
    let job = database.enqueue(options).await.unwrap().to_string();
    let same = json!({"content": "c", "delay": 90, "priority": 2, "idempotency_key": "l"});
    assert_eq!(client.submit_with("default", same).await, job);
    assert_eq!(database.count("ringback.job").await, 2);
}

#[tokio::test]
async fn a_job_is_there_when_its_transaction_commits_and_only_then() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    eventually("the tasks should be known", async || {
        database.count("ringback.task").await == 4
    })
    .await;
    database
        .execute("create table orders (id int primary key, job uuid)")
        .await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    for (id, commits) in [(1, false), (2, true)] {
        let mut transaction = connection.begin().await.unwrap();
        let job = submit(&mut transaction, &Request::new("translate", "hello"))
            .await
            .unwrap();
        sqlx::query("insert into orders values ($1, $2)")
            .bind(id)
            .bind(job.0)
            .execute(&mut *transaction)
            .await
            .unwrap();
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    database.finished(1).await;
    let ran = "orders join ringback.jobs on jobs.id = orders.job where orders.id = 2 and jobs.state = 'succeeded'";
    assert_eq!(database.count(ran).await, 1);
    assert_eq!(database.count("ringback.jobs").await, 1);

    // A trigger is part of the transaction as well.
    database
        .execute(
            "create function translate_order() returns trigger language plpgsql as $$
             begin
                 new.job := ringback.enqueue('translate', content => 'order ' || new.id);
                 return new;
             end
             $$",
        )
        .await;
    database
        .execute("create trigger translate_order before insert on orders for each row execute function translate_order()")
        .await;
    database.execute("insert into orders values (3)").await;
    database.finished(2).await;
    let ran = "orders join ringback.jobs on jobs.id = orders.job where content = 'order 3'";
    assert_eq!(database.count(ran).await, 1);
}

#[tokio::test]
async fn the_library_says_what_kept_a_job_from_being_added() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let mut request = Request::new("translate", json!({"a": 1}));
    let unknown = submit(&mut connection, &request).await;
    assert!(matches!(unknown, Err(SubmitError::TaskUnknown(name)) if name == "translate"));
    let _gateway = Program::serve(&database, &[]).await;
    let mut transaction = connection.begin().await.unwrap();
    let invalid = submit(&mut transaction, &request).await;
    assert!(matches!(invalid, Err(SubmitError::InputInvalid(wrong)) if wrong.len() == 1));
    // The transaction goes on.
    request.input = json!("a");
    submit(&mut transaction, &request).await.unwrap();
    transaction.rollback().await.unwrap();
    request.idempotency_key = Some("k".to_owned());
    request.due = Due::After(Duration::from_secs(60));
    request.max_attempts = Some(7);
    let job = submit(&mut connection, &request).await.unwrap();
    assert_eq!(submit(&mut connection, &request).await.unwrap(), job);
    request.due = Due::Now;
    let conflict = submit(&mut connection, &request).await;
    assert!(matches!(conflict, Err(SubmitError::Conflict)));
    let kept = "ringback.job where state = 'scheduled' and max_attempts = 7 and input = '\"a\"'";
    assert_eq!(database.count(kept).await, 1);
}

#[tokio::test]
async fn a_transaction_that_holds_a_key_holds_up_nobody_else() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut other = Client::connect(&gateway).await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let mut request = Request::new("default", "a");
    request.idempotency_key = Some("k".to_owned());
    let job = submit(&mut transaction, &request).await.unwrap();
    client.ask_with_key("a", "k").await;
    for number in 0..20 {
        let free = format!("free {number}");
        other.ask_with_key("b", &free).await;
        other.ask("default", "c").await;
    }
    for _ in 0..40 {
        assert_eq!(other.next().await.action(), "job_queued");
    }
    let busy = client.next().await;
    assert_eq!(busy.0["payload"][0]["type"], "busy", "{busy:?}");
    assert_eq!(busy.0["payload"][0]["retry_after"], 1);
    transaction.commit().await.unwrap();
    assert_eq!(client.submit_with_key("a", "k").await, job.to_string());
    assert_eq!(database.count("ringback.job").await, 41);
}

#[tokio::test]
async fn what_is_done_in_a_transaction_takes_part_in_it() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let later = "'translate', content => 'a', delay => '1 hour', stream => true";
    let job = database.enqueue(later).await.unwrap();
    let mut transaction = database.pool.begin().await.unwrap();
    let state: String = sqlx::query_scalar("select ringback.cancel($1)")
        .bind(job)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(state, "cancelled");
    let new: Uuid = sqlx::query_scalar("select ringback.retry($1)")
        .bind(job)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("select ringback.notify('all or nothing')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    client.expect_silence().await;
    assert_eq!(
        database
            .count("ringback.job where state = 'scheduled'")
            .await,
        1
    );
    assert_eq!(database.count("ringback.job_history").await, 0);
    assert_eq!(
        database
            .count(&format!("ringback.job where id = '{new}'"))
            .await,
        0
    );

    // One whose day has no partition any more; and what is retried is heard as the first one was.
    let old = "update ringback.job set id = '01900000-0000-7000-8000-000000000001'";
    database.execute(old).await;
    let old = "01900000-0000-7000-8000-000000000001";
    database
        .execute(&format!("select ringback.cancel('{old}')"))
        .await;
    database
        .execute(&format!("select ringback.retry('{old}')"))
        .await;
    let again = format!("ringback.job where retry_of = '{old}' and stream and state = 'ready'");
    assert_eq!(database.count(&again).await, 1);
    let unknown = sqlx::query("select ringback.pause('nothing')")
        .execute(&database.pool)
        .await;
    let unknown = unknown.unwrap_err().into_database_error().unwrap();
    assert_eq!(unknown.code().as_deref(), Some("P0002"));
}

#[tokio::test]
async fn a_job_is_of_the_moment_when_it_was_asked_for_however_long_its_transaction_is() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    let mut transaction = database.pool.begin().await.unwrap();
    sqlx::query("select pg_sleep(0.2)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("select ringback.enqueue('translate', content => 'a')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let near: bool = sqlx::query_scalar(
        "select created_at > now() + interval '100 milliseconds' from ringback.job",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    assert!(near);
}
