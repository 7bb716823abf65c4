//! Connections to Postgres that are cut, amid load or before an answer has come.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::{finished, load, no_job_left, result, running, running_elsewhere, untroubled};
use crate::support::{Client, Program, TestDatabase, eventually, eventually_within};

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
