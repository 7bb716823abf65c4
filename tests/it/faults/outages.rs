//! A Postgres that is away, freezes or crashes, or in which everything waits for a lock.

use std::time::{Duration, Instant};

use super::{OUTAGE_AND_MORE, Story, finished, load, no_job_left, running, untroubled};
use crate::support::{Client, Program, TestDatabase, eventually};

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
    drop(frozen);
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
async fn statements_that_wait_for_somebodys_lock_do_not_pile_up() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "a").await;
    let intakes = "pg_stat_activity where application_name = 'ringback intake' and datname = current_database()";
    let before = database.count(intakes).await;
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
        database.count(waiting).await == 1 && database.count(intakes).await == before
    })
    .await;
    somebody.rollback().await.unwrap();
    assert_eq!(client.next().await.action(), "job_queued");
    assert_eq!(database.count("ringback.job").await, 2);
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
