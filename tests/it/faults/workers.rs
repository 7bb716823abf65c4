//! Workers that are killed, blocked, suspended or told to stop, and who does their jobs then.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ringback::queue::recover;
use uuid::Uuid;

use super::{OUTAGE_AND_MORE, result, results, running, running_elsewhere, untroubled};
use crate::support::{Client, Program, TestDatabase, eventually};

/// Longer than a lost worker's jobs may wait, and what they do then.
const RECOVERY: Duration = Duration::from_secs(20);

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
    let mut leaving = Program::unruly_as(&database, "RINGBACK_CONCURRENCY", "1").await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut jobs = HashSet::new();
    for _ in 0..4 {
        jobs.insert(client.submit("story", "100").await);
    }
    has_begun(&database).await;
    leaving.signal("TERM");
    let _staying = Program::unruly(&database).await;
    results(&mut client, &mut jobs).await;
    assert!(leaving.ended().await.success(), "{}", leaving.output());
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
    let job = client.submit("story", "250").await;
    has_begun(&database).await;
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

/// Waits until a story is told: what is claimed and has not begun is handed back at once by a worker that stops, and as no
/// attempt.
async fn has_begun(database: &TestDatabase) {
    eventually("it should have begun", async || {
        database.count("ringback.job_event").await > 0
    })
    .await;
}

/// The workers that have finished jobs.
async fn finishers(database: &TestDatabase) -> Vec<Uuid> {
    sqlx::query_scalar("select distinct worker_id from ringback.job_history")
        .fetch_all(&database.pool)
        .await
        .unwrap()
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
        recover::recover(&mut link).await.unwrap();
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
