//! What dies, hangs or goes away, and that nothing is lost by it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ringback::queue::recover;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::{Client, Message, Program, TestDatabase, eventually, eventually_within};

/// Longer than a lost worker's jobs may wait, and what they do then.
const RECOVERY: Duration = Duration::from_secs(20);

/// Longer than an outage and what follows it.
const OUTAGE_AND_MORE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_killed_workers_jobs_finish_elsewhere_within_twenty_seconds() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut jobs = HashSet::new();
    for _ in 0..10 {
        jobs.insert(client.submit("hold", "3").await);
    }
    running(&database, 10).await;
    let killed = Instant::now();
    first.kill();

    let _second = Program::unruly(&database).await;
    running_elsewhere(&database, 10).await;
    assert!(killed.elapsed() < RECOVERY, "{:?}", killed.elapsed());
    results(&mut client, &mut jobs).await;
    client.expect_silence().await;
    let crashed = "ringback.attempts where outcome = 'crashed' and attempt = 1 and error_code = 'worker_lost'";
    assert_eq!(database.count(crashed).await, 10);
    let finished = "ringback.job_history where state = 'succeeded' and attempt = 2 and crashes = 1 and failures = 0";
    assert_eq!(database.count(finished).await, 10);
}

#[tokio::test]
async fn a_worker_whose_every_thread_is_blocked_keeps_its_jobs() {
    let database = TestDatabase::new().await;
    let _busy = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // Twice as many tasks as there are threads, and one more, each this long: thirty seconds without a free thread.
    let job = client.submit("block", "15").await;
    running(&database, 1).await;
    let started = Instant::now();
    let _idle = Program::unruly(&database).await;
    let result = client.next_within(OUTAGE_AND_MORE).await;
    assert!(started.elapsed() > Duration::from_secs(29));
    assert_eq!((result.text(), result.job_id()), ("blocked", job));
    client.expect_silence().await;
    assert_eq!(untroubled(&database).await, 1);
}

#[tokio::test]
async fn processes_that_were_suspended_together_do_not_take_each_other_for_lost() {
    let database = TestDatabase::new().await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    // Longer than a lost worker's silence: its own sweeper judges by now.
    client.submit("hold", "16").await;
    assert_eq!(result(&mut client).await.text(), "held");
    let jobs = 3;
    for _ in 0..jobs {
        client.submit("hold", "1").await;
    }
    running(&database, jobs).await;
    for process in [&worker, &gateway] {
        process.signal("STOP");
    }
    eventually("the worker should be silent for long enough", async || {
        database
            .count("ringback.worker where beat_at < clock_timestamp() - interval '16 seconds'")
            .await
            == 1
    })
    .await;
    for process in [&worker, &gateway] {
        process.signal("CONT");
    }
    for _ in 0..jobs {
        result(&mut client).await;
    }
    client.expect_silence().await;
    assert_eq!(untroubled(&database).await, jobs + 1);
}

#[tokio::test]
async fn an_outdated_execution_cannot_record_a_result() {
    let database = TestDatabase::new().await;
    let stopped = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut jobs = HashSet::new();
    for _ in 0..3 {
        jobs.insert(client.submit("hold", "2").await);
    }
    running(&database, 3).await;
    stopped.signal("STOP");
    let mut other = Program::unruly(&database).await;
    results(&mut client, &mut jobs).await;
    let before = finishers(&database).await;
    assert_eq!(before.len(), 1);

    stopped.signal("CONT");
    eventually("it should see that it is late", async || {
        let output = stopped.output();
        output.contains("outcomes came too late") || output.contains("given to another worker")
    })
    .await;
    client.expect_silence().await;
    let finished = "ringback.job_history where attempt = 2 and crashes = 1";
    assert_eq!(database.count(finished).await, 3);

    // It works on: there is nobody else now.
    other.signal("TERM");
    assert!(other.ended().await.success());
    client.submit("count", "").await;
    assert_eq!(client.next().await.text(), "1");
    assert_eq!(finishers(&database).await.len(), 2);
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_finishes_what_runs_and_leaves_the_rest() {
    let database = TestDatabase::new().await;
    let mut leaving = Program::start(
        &database,
        &["worker", "--delay-scale", "3", "--concurrency", "1"],
    );
    leaving.printed("working").await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut jobs = HashSet::new();
    for number in 0..4 {
        jobs.insert(client.submit("default", &number.to_string()).await);
    }
    running(&database, 1).await;
    let told = Instant::now();
    leaving.signal("TERM");
    let _staying = Program::worker(&database, &[]).await;
    for _ in 0..3 {
        assert!(jobs.remove(&result(&mut client).await.job_id()));
    }
    assert!(told.elapsed() < Duration::from_secs(10));
    assert!(leaving.ended().await.success(), "{}", leaving.output());
    results(&mut client, &mut jobs).await;
    client.expect_silence().await;
    assert_eq!(untroubled(&database).await, 4);
    assert_eq!(finishers(&database).await.len(), 2);
}

#[tokio::test]
async fn a_job_that_outlasts_the_grace_is_handed_back() {
    let database = TestDatabase::new().await;
    let mut leaving = Program::unruly_with_grace(&database, 1).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("hold", "5").await;
    running(&database, 1).await;
    leaving.signal("TERM");
    assert!(leaving.ended().await.success(), "{}", leaving.output());
    let handed_back =
        "ringback.job where state = 'ready' and attempt = 1 and failures = 0 and crashes = 0";
    assert_eq!(database.count(handed_back).await, 1);
    let returned = "ringback.attempts where outcome = 'returned' and attempt = 1";
    assert_eq!(database.count(returned).await, 1);

    let _staying = Program::unruly(&database).await;
    assert_eq!(result(&mut client).await.job_id(), job);
    let finished = "ringback.job_history where attempt = 2 and failures = 0 and crashes = 0";
    assert_eq!(database.count(finished).await, 1);
}

#[tokio::test]
async fn forty_seconds_without_postgres_cost_nothing_but_time() {
    let mut database = TestDatabase::on_its_own_server().await;
    let _worker = Program::unruly(&database).await;
    let _other = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut story = Story::default();
    // Some end while the database is away, some after it is back.
    for seconds in ["5", "5", "5", "60", "60"] {
        story.ask(&mut client, "hold", seconds).await;
    }
    story.answers(&mut client).await;
    running(&database, 5).await;

    database.end_server("INT").await;
    let gone = Instant::now();
    let mut next = Instant::now();
    while gone.elapsed() < Duration::from_secs(40) {
        if Instant::now() >= next {
            story.ask(&mut client, "count", "").await;
            next += Duration::from_secs(5);
        }
        // Heard meanwhile: pings, and the answers of those that have waited too long.
        if let Ok(message) =
            tokio::time::timeout(Duration::from_secs(1), client.next_within(OUTAGE_AND_MORE)).await
        {
            story.hear(&message);
        }
    }
    database.start_server().await;
    story.answers(&mut client).await;
    assert!(!story.refused.is_empty() && story.queued.len() > 5);
    story.results(&mut client).await;
    client.expect_silence().await;
    let finished = i64::try_from(story.finished.len()).unwrap();
    // One that was answered `unavailable` may be there as well, if it was said to be uncertain.
    assert!(untroubled(&database).await >= finished);
}

#[tokio::test]
async fn a_frozen_postgres_makes_nobody_take_a_living_workers_jobs() {
    let database = TestDatabase::on_its_own_server().await;
    let _worker = Program::unruly(&database).await;
    let _other = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut story = Story::default();
    for _ in 0..5 {
        story.ask(&mut client, "hold", "50").await;
    }
    story.answers(&mut client).await;
    running(&database, 5).await;
    // The sweepers have been in touch for long enough to judge.
    client.listen_for(Duration::from_secs(18)).await;

    let frozen = database.freeze_server().await;
    client.listen_for(Duration::from_secs(20)).await;
    TestDatabase::thaw_server(&frozen);
    story.results(&mut client).await;
    assert_eq!(untroubled(&database).await, 5);
}

#[tokio::test]
async fn a_crash_of_postgres_amid_load_loses_no_job_and_doubles_no_result() {
    let mut database = TestDatabase::on_its_own_server().await;
    let _workers = [
        Program::worker(&database, &[]).await,
        Program::worker(&database, &[]).await,
    ];
    let gateway = Program::serve(&database, &[]).await;
    let load = load(&gateway);
    let crash = async {
        finished(&database, 100).await;
        // One process of the server dies, and the server starts over.
        let pid = pid_of(&database, "ringback finisher").await;
        let killed = std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        finished(&database, 300).await;
        // All of it dies.
        database.end_server("KILL").await;
        database.start_server().await;
    };
    let (stories, ()) = tokio::join!(load, crash);
    let acknowledged: usize = stories.iter().map(|story| story.queued.len()).sum();
    assert!(acknowledged > 300);
    no_job_left(&database).await;
}

#[tokio::test]
async fn jobs_outlive_their_gateway() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut jobs = HashSet::new();
    for number in 0..10 {
        jobs.insert(
            client
                .submit("hold", if number < 5 { "2" } else { "0" })
                .await,
        );
    }
    gateway.kill();
    eventually("they should finish", async || {
        let rows: Vec<Uuid> =
            sqlx::query_scalar("select id from ringback.jobs where state = 'succeeded'")
                .fetch_all(&database.pool)
                .await
                .unwrap();
        rows.iter().map(Uuid::to_string).collect::<HashSet<_>>() == jobs
    })
    .await;
}

#[tokio::test]
async fn a_job_that_keeps_killing_its_worker_ends_after_three() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("die", "").await;
    assert!(!worker.ended().await.success());
    for _ in 0..2 {
        worker = Program::unruly(&database).await;
        assert!(!worker.ended().await.success());
    }
    // A worker that is there to take it does not get it again.
    let worker = Program::unruly(&database).await;
    let failed = client.next().await;
    assert_eq!((failed.action(), failed.job_id()), ("job_failed", job));
    assert_eq!(failed.0["job"]["code"], "worker_lost");
    assert_eq!(failed.text(), "its worker was lost 3 times");
    client.submit("count", "").await;
    assert_eq!(client.next().await.text(), "1", "{}", worker.output());
    let story = "ringback.attempts where error_code = 'worker_lost'";
    assert_eq!(database.count(story).await, 3);
}

#[tokio::test]
async fn connections_that_are_cut_amid_load_lose_nothing() {
    let database = TestDatabase::new().await;
    let _workers = [
        Program::worker(&database, &[]).await,
        Program::worker(&database, &[]).await,
    ];
    let gateway = Program::serve(&database, &[]).await;
    let load = load(&gateway);
    let cuts = async {
        for (enough, whose) in [
            (50, "= 'ringback listener'"),
            (150, "like 'ringback%'"),
            (250, "= 'ringback listener'"),
            (350, "like 'ringback%'"),
        ] {
            finished(&database, enough).await;
            let cut = format!(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and application_name {whose}"
            );
            eventually("there should be something to cut", async || {
                let cut: i64 = sqlx::query_scalar(AssertSqlSafe(cut.clone()))
                    .fetch_one(&database.pool)
                    .await
                    .unwrap();
                cut > 0
            })
            .await;
        }
    };
    let (stories, ()) = tokio::join!(load, cuts);
    let refused: usize = stories.iter().map(|story| story.refused.len()).sum();
    assert_eq!(refused, 0);
    no_job_left(&database).await;
    assert_eq!(untroubled(&database).await, 800);
}

#[tokio::test]
async fn a_dead_workers_jobs_are_taken_back_although_connections_are_cut_again_and_again() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("hold", "3").await;
    running(&database, 1).await;
    first.kill();
    let _second = Program::unruly(&database).await;
    let cut_again_and_again = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            database
                .execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and application_name like 'ringback%'",
                )
                .await;
        }
    };
    tokio::select! {
        () = running_elsewhere(&database, 1) => {}
        () = cut_again_and_again => {}
    }
    assert_eq!(result(&mut client).await.job_id(), job);
}

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

#[tokio::test]
async fn statements_that_wait_for_somebodys_lock_do_not_pile_up() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "a").await;
    let mut somebody = database.pool.begin().await.unwrap();
    sqlx::query("lock table ringback.job in access exclusive mode")
        .execute(&mut *somebody)
        .await
        .unwrap();
    client.ask("default", "b").await;
    // It is given up after 10 s, and tried again.
    gateway.printed("the database is away, trying again").await;
    let waiting = "pg_stat_activity where application_name = 'ringback intake' and datname = current_database()
        and wait_event_type = 'Lock'";
    eventually("the one that was given up should have ended", async || {
        let intakes = "pg_stat_activity where application_name = 'ringback intake' and datname = current_database()";
        database.count(waiting).await == 1 && database.count(intakes).await == 1
    })
    .await;
    somebody.rollback().await.unwrap();
    assert_eq!(client.next().await.action(), "job_queued");
    assert_eq!(database.count("ringback.job").await, 2);
}

/// What one client has asked for and heard. Answers may come in any order.
#[derive(Default)]
pub(crate) struct Story {
    asked: usize,
    /// By job id.
    queued: HashSet<String>,
    /// Their `maybe`.
    pub(crate) refused: Vec<bool>,
    /// By job id: each once.
    pub(crate) finished: HashMap<String, String>,
}

impl Story {
    pub(crate) async fn ask(&mut self, client: &mut Client, task_type: &str, content: &str) {
        self.asked += 1;
        client.ask(task_type, content).await;
    }

    fn hear(&mut self, message: &Message) {
        match message.action() {
            "job_queued" => assert!(self.queued.insert(message.job_id()), "{message:?}"),
            "error" => {
                let error = &message.0["payload"][0];
                assert_eq!(error["type"], "unavailable", "{message:?}");
                self.refused.push(error["maybe"] == true);
            }
            "job_result" => {
                let job = message.job_id();
                assert!(self.queued.contains(&job), "before its answer: {message:?}");
                let before = self.finished.insert(job, message.text().to_owned());
                assert_eq!(before, None, "twice: {message:?}");
            }
            _ => panic!("unexpected: {message:?}"),
        }
    }

    /// Waits until everything is answered.
    pub(crate) async fn answers(&mut self, client: &mut Client) {
        while self.queued.len() + self.refused.len() < self.asked {
            self.hear(&client.next_within(OUTAGE_AND_MORE).await);
        }
    }

    /// Waits until everything that was queued has its result.
    pub(crate) async fn results(&mut self, client: &mut Client) {
        while self.finished.len() < self.queued.len() {
            self.hear(&client.next_within(OUTAGE_AND_MORE).await);
        }
    }
}

/// Eight clients of a hundred jobs each, at most five of which are unanswered at a time.
async fn load(gateway: &Program) -> Vec<Story> {
    let address = gateway.address();
    let clients = (0..8).map(|number| {
        let address = address.clone();
        async move {
            let mut client = Client::connect_to(&address).await;
            let mut story = Story::default();
            for turn in 0..100 {
                story
                    .ask(&mut client, "default", &format!("{number} {turn}"))
                    .await;
                if turn % 5 == 4 {
                    story.answers(&mut client).await;
                }
            }
            story.results(&mut client).await;
            client.expect_silence().await;
            story
        }
    });
    futures_util::future::join_all(clients).await
}

async fn result(client: &mut Client) -> Message {
    let message = client.next().await;
    assert_eq!(message.action(), "job_result", "{message:?}");
    message
}

/// Waits for the results of `jobs`, each once.
async fn results(client: &mut Client, jobs: &mut HashSet<String>) {
    while !jobs.is_empty() {
        let message = result(client).await;
        assert!(jobs.remove(&message.job_id()), "{message:?}");
    }
}

/// Waits until so many jobs run.
pub(crate) async fn running(database: &TestDatabase, jobs: i64) {
    eventually("they should run", async || {
        database.count("ringback.job where state = 'running'").await == jobs
    })
    .await;
}

/// Waits until so many jobs run that have lost a worker.
pub(crate) async fn running_elsewhere(database: &TestDatabase, jobs: i64) {
    eventually("they should run elsewhere", async || {
        database
            .count("ringback.job where state = 'running' and crashes = 1 and attempt = 2")
            .await
            == jobs
    })
    .await;
}

/// Waits until at least so many jobs have finished.
async fn finished(database: &TestDatabase, jobs: i64) {
    eventually("they should finish", async || {
        let finished: Result<i64, _> =
            sqlx::query_scalar("select count(*) from ringback.job_history")
                .fetch_one(&database.pool)
                .await;
        finished.is_ok_and(|finished| finished >= jobs)
    })
    .await;
}

/// Waits until no job is left over: one whose submission was cut off may still be on its way.
async fn no_job_left(database: &TestDatabase) {
    eventually("no job should be left", async || {
        database.count("ringback.job").await == 0
    })
    .await;
}

/// How many jobs succeeded at once, when all that there are did.
pub(crate) async fn untroubled(database: &TestDatabase) -> i64 {
    assert_eq!(database.count("ringback.job_attempt").await, 0);
    let untroubled = "ringback.job_history where state = 'succeeded' and attempt = 1 and failures = 0 and crashes = 0";
    let count = database.count(untroubled).await;
    assert_eq!(count, database.count("ringback.jobs").await);
    count
}

/// The workers that have finished jobs.
async fn finishers(database: &TestDatabase) -> Vec<Uuid> {
    sqlx::query_scalar("select distinct worker_id from ringback.job_history")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

async fn pid_of(database: &TestDatabase, name: &str) -> i32 {
    sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = current_database() and application_name = $1 limit 1",
    )
    .bind(name)
    .fetch_one(&database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_goes_back_while_its_worker_lives() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("default", "a").await;
    let worker = Program::worker(&database, &[]).await;
    let taken = client.next().await;
    assert_eq!((taken.action(), taken.job_id()), ("job_result", job));
    database
        .execute("insert into ringback.queue values ('default', now())")
        .await;
    let job = client.submit("default", "b").await;
    // As if it had been claimed two minutes ago, over a connection that was cut before the answer.
    database
        .execute(
            "update ringback.job set state = 'running', attempt = 1, claim_id = gen_random_uuid(),
                 worker_id = (select id from ringback.worker), started_at = now() - interval '2 minutes'",
        )
        .await;
    database.execute("delete from ringback.queue").await;
    // It is looked for once in a minute.
    eventually_within(Duration::from_secs(90), "it should be found", async || {
        worker.output().contains("was lost on its way")
    })
    .await;
    let result = client.next().await;
    assert_eq!((result.job_id(), result.text()), (job, "✅ Processed: B"));
    assert_eq!(
        database
            .count("ringback.jobs where attempts = 1 and content = 'b'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_lost_workers_job_is_taken_back_whatever_is_odd_about_it() {
    let database = TestDatabase::new().await;
    // One was claimed after its worker was given up; the day of the other has no partition.
    database
        .execute(
            "insert into ringback.worker (id, host, pid, version, queues, concurrency, beat_at, gone_at)
             select gen_random_uuid(), 'there', number, '0', '{default}', 1, '-infinity',
                 case when number = 1 then now() end
             from generate_series(1, 2) as number",
        )
        .await;
    database
        .execute(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts,
                 attempt, claim_id, worker_id, started_at)
             select ringback.uuid_floor(now() + case when pid = 2 then interval '300 days' else interval '0' end),
                 'a', 'a', 'default', '1', 'running', 0, now(), 5, 1, gen_random_uuid(), id, now()
             from ringback.worker",
        )
        .await;
    let mut link = database.database().link("test");
    // The server has to have been up for the lease.
    eventually("both should be ready again", async || {
        recover::recover(link.connected().await.unwrap())
            .await
            .unwrap();
        database
            .count("ringback.job where state = 'ready' and crashes = 1")
            .await
            == 2
    })
    .await;
    assert_eq!(
        database
            .count("ringback.attempts where outcome = 'crashed'")
            .await,
        2
    );
}
