//! Jobs that are no longer wanted: from the socket and from the command line, in every state, and in every race.

mod races;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::running;
use crate::support::{Client, Message, Program, TestDatabase, eventually};

impl Client {
    pub(crate) async fn ask_to_cancel(&mut self, job: &str) {
        self.send(json!({"action": "cancel_job", "payload": {"job_id": job}, "ref": "c"}))
            .await;
    }

    /// Cancels a job, and waits until it has ended so.
    async fn cancel(&mut self, job: &str) {
        self.ask_to_cancel(job).await;
        assert_eq!(self.next().await.0, cancelling(job));
        let cancelled = self.next().await;
        assert_eq!(
            (cancelled.action(), cancelled.job_id()),
            ("job_cancelled", job.to_owned())
        );
    }

    async fn is_refused_to_cancel(&mut self, job: &str, kind: &str) {
        self.ask_to_cancel(job).await;
        let refused = self.next().await;
        assert_eq!(refused.0["payload"][0]["type"], kind, "{refused:?}");
        assert_eq!(refused.0["ref"], "c");
    }
}

fn cancelling(job: &str) -> Value {
    json!({
        "action": "job_cancelling", "payload": format!("Job {job} is being cancelled"), "job_id": job, "ref": "c",
    })
}

fn is_result(message: &Message, job: &str) -> bool {
    message.action() == "job_result" && message.job_id() == job
}

/// How many jobs ended as cancelled, after so many starts.
async fn cancelled(database: &TestDatabase, attempts: u32) -> i64 {
    let rows = format!(
        "ringback.jobs where state = 'cancelled' and attempts = {attempts} and error = 'the job was cancelled'"
    );
    database.count(&rows).await
}

#[tokio::test]
async fn a_job_that_waits_ends_at_once() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let ready = client.submit("translate", "hello").await;
    client.cancel(&ready).await;
    let later = client
        .submit_with("translate", json!({"delay": 3600}))
        .await;
    client.cancel(&later).await;
    client.expect_silence().await;
    assert_eq!(cancelled(&database, 0).await, 2);
    assert_eq!(database.count("ringback.job").await, 0);
    // Nothing has been started of them, so nothing has been attempted.
    assert_eq!(database.count("ringback.attempts").await, 0);
}

#[tokio::test]
async fn a_job_that_runs_is_dropped_and_its_slot_is_free() {
    let database = TestDatabase::new().await;
    let _worker = Program::start(
        &database,
        &["worker", "--concurrency", "1", "--delay-scale", "1000"],
    );
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for _ in 0..2 {
        let job = client.submit("translate", "hello").await;
        running(&database, 1).await;
        client.cancel(&job).await;
    }
    client.expect_silence().await;
    assert_eq!(cancelled(&database, 1).await, 2);
    let attempts = "ringback.attempts where outcome = 'cancelled' and worker_id is not null";
    assert_eq!(database.count(attempts).await, 2);
}

#[tokio::test]
async fn a_task_that_is_told_may_still_succeed_and_is_not_tried_again_when_it_fails() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let obeys = client.submit("obey", "").await;
    running(&database, 1).await;
    client.ask_to_cancel(&obeys).await;
    assert_eq!(client.next().await.0, cancelling(&obeys));
    let result = client.next().await;
    assert!(is_result(&result, &obeys), "{result:?}");
    assert_eq!(result.text(), "as you wish");

    let quits = client.submit("quit", "").await;
    running(&database, 1).await;
    client.cancel(&quits).await;
    assert_eq!(cancelled(&database, 1).await, 1);
}

#[tokio::test]
async fn a_wish_that_is_repeated_or_comes_too_late_changes_nothing() {
    let database = TestDatabase::new().await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("count", "").await;
    assert!(is_result(&client.next().await, &job));
    client.is_refused_to_cancel(&job, "conflict").await;
    client.expect_silence().await;
    assert_eq!(
        database
            .count("ringback.jobs where state = 'succeeded'")
            .await,
        1
    );

    let job = client.submit("hold", "60").await;
    running(&database, 1).await;
    // Nobody can hear of it meanwhile, so it is asked twice.
    worker.signal("STOP");
    for _ in 0..2 {
        client.ask_to_cancel(&job).await;
        assert_eq!(client.next().await.0, cancelling(&job));
    }
    worker.signal("CONT");
    assert_eq!(client.next().await.action(), "job_cancelled");
    client.is_refused_to_cancel(&job, "conflict").await;
    client.expect_silence().await;
}

#[tokio::test]
async fn only_who_has_asked_for_a_job_may_end_it() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut other = Client::connect(&gateway).await;
    let job = client.submit("translate", "hello").await;
    other.is_refused_to_cancel(&job, "not_found").await;
    let nobody = Uuid::now_v7().to_string();
    client.is_refused_to_cancel(&nobody, "not_found").await;
    assert_eq!(database.count("ringback.job").await, 1);
    client.cancel(&job).await;
    // Also when it is over, another does not hear of it.
    other.is_refused_to_cancel(&job, "not_found").await;
    client.is_refused_to_cancel(&job, "conflict").await;

    // Who has asked for the same job may end it, and everyone who has hears of it.
    let job = client.submit_with_key("a", "k").await;
    assert_eq!(other.submit_with_key("a", "k").await, job);
    client.ask_to_cancel(&job).await;
    assert_eq!(client.next().await.action(), "job_cancelling");
    for asker in [&mut client, &mut other] {
        assert_eq!(asker.next().await.action(), "job_cancelled");
        asker.expect_silence().await;
    }
}

#[tokio::test]
async fn a_session_may_end_its_jobs_on_any_socket_and_hears_of_it_later() {
    let database = TestDatabase::new().await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let jobs = [
        client.submit("translate", "hello").await,
        client.submit("translate", "world").await,
    ];
    drop(client);
    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    client.cancel(&jobs[0]).await;
    drop(client);
    // By an operator, while the client is away.
    let mut command = Program::start(&database, &["jobs", "cancel", &jobs[1]]);
    assert!(command.ended().await.success());
    let mut client = Client::connect(&gateways[0]).await;
    client.recover(&secret).await;
    for job in &jobs {
        let missed = client.next().await;
        assert_eq!((missed.action(), &missed.job_id()), ("job_cancelled", job));
    }
    for job in &jobs {
        client.is_refused_to_cancel(job, "conflict").await;
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn a_dead_workers_job_ends_with_its_recovery() {
    let database = TestDatabase::new().await;
    let mut dead = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("hold", "1").await;
    running(&database, 1).await;
    dead.kill();
    let _other = Program::unruly(&database).await;
    client.cancel(&job).await;
    assert_eq!(cancelled(&database, 1).await, 1);
    let crashes = "ringback.job_history where crashes = 1 and failures = 0";
    assert_eq!(database.count(crashes).await, 1);
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_ends_at_once() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("panic", "").await;
    // Its second attempt would come some time within two seconds: put it off for good.
    eventually("it should have failed once", async || {
        let put_off =
            "update ringback.job set run_at = now() + interval '1 hour' where state = 'scheduled'";
        database.execute(put_off).await;
        database
            .count("ringback.job where run_at > now() + interval '1 minute'")
            .await
            == 1
    })
    .await;
    client.cancel(&job).await;
    let failures = "ringback.attempts where outcome = 'failed' and error_code = 'task_panicked'";
    assert!(database.count(failures).await >= 1);
}

#[tokio::test]
async fn a_worker_finds_out_also_when_hints_are_lost() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("hold", "60").await;
    running(&database, 1).await;
    database
        .execute(
            "create or replace function ringback.hint(channel text, payload text) returns void
             language sql as 'select'",
        )
        .await;
    client.cancel(&job).await;
    assert_eq!(cancelled(&database, 1).await, 1);
}

#[tokio::test]
async fn an_operator_cancels_any_jobs_and_is_told_which_could_not_be() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let done = client.submit("count", "").await;
    assert!(is_result(&client.next().await, &done));
    let runs = client.submit("hold", "60").await;
    running(&database, 1).await;
    let waits = client.submit_with("hold", json!({"delay": 3600})).await;
    let nothing = Uuid::now_v7().to_string();
    let ids = [&done, &runs, &waits, &nothing].map(String::as_str);
    let mut command = Program::start(&database, &[&["jobs", "cancel"], &ids[..]].concat());
    assert!(!command.ended().await.success());
    let said = command.output();
    for line in [
        format!("{done} is over (succeeded): nothing to cancel"),
        format!("{runs} cancelling: it runs, and is asked to end"),
        format!("{waits} cancelled"),
        format!("{nothing} is no job"),
        "2 of 4 could not be cancelled".to_owned(),
    ] {
        assert!(said.contains(&line), "{said}");
    }
    for _ in 0..2 {
        assert_eq!(client.next().await.action(), "job_cancelled");
    }
    client.expect_silence().await;
}
