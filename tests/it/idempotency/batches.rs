//! Batches of jobs and of outcomes that are sent again: each row of them is stored once.

use ringback::ids::{ClaimId, JobIds};
use ringback::postgres::hints::Hinting;
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use ringback::queue::{Answer, Ended, Ending, Rows, Try, commit};
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use super::claimed;
use crate::scale::job;
use crate::support::{PATIENCE, TestDatabase, eventually};

#[tokio::test]
async fn a_batch_that_is_sent_again_into_its_own_finish_makes_no_second_job() {
    let database = TestDatabase::new().await;
    let (mut link, mut other) = (database.database().link("a"), database.database().link("b"));
    let connection = link.connected().await.unwrap();
    let jobs = [job(JobIds::default().next(std::time::SystemTime::now()))];
    let once = Try {
        again: false,
        hints: Hinting::Notify,
    };
    let again = Try {
        again: true,
        ..once
    };
    enqueue(connection, &jobs, once).await.unwrap();
    let claim = ClaimId(Uuid::new_v4());
    claimed(&database, jobs[0].id, claim).await;

    // The finish has deleted the row, and not committed yet.
    let mut finishing = connection.begin().await.unwrap();
    let ended = [Ended {
        id: jobs[0].id,
        claim_id: claim,
        ending: Ending::succeeded(json!("done")),
    }];
    finish(&mut finishing, &ended, once).await.unwrap();
    let connection = other.connected().await.unwrap();
    enqueue(connection, &jobs, again).await.unwrap();
    finishing.commit().await.unwrap();
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_history").await, 1);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_while_it_is_being_stored_is_stored_once() {
    let database = TestDatabase::new().await;
    let (mut link, mut other) = (database.database().link("a"), database.database().link("b"));
    let mut ids = JobIds::default();
    let jobs = [(); 3].map(|()| job(ids.next(std::time::SystemTime::now())));
    let first = Try {
        again: false,
        hints: Hinting::Notify,
    };
    // Its connection was cut, and the server has not noticed yet: two of the three are there, and not committed.
    let mut storing = link.connected().await.unwrap().begin().await.unwrap();
    enqueue(&mut storing, &jobs[..2], first).await.unwrap();
    let stored = async {
        eventually("the second insert should wait for the first", async || {
            database.count("pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()").await == 1
        })
        .await;
        storing.commit().await.unwrap();
    };
    let resent = commit(&mut other, Rows::New(&jobs), Some(PATIENCE));
    let (answers, ()) = tokio::join!(resent, stored);
    let is_stored = |answer: &Answer| matches!(answer, Answer::Stored);
    assert!(answers.iter().all(is_stored), "{answers:?}");
    assert_eq!(database.count("ringback.job").await, 3);

    // Whoever gives ids of their own may give one twice.
    let id = ids.next(std::time::SystemTime::now());
    let twice = [job(id), job(id)];
    let answers = commit(&mut other, Rows::New(&twice), Some(PATIENCE)).await;
    assert!(answers.iter().all(is_stored), "{answers:?}");
    assert_eq!(database.count("ringback.job").await, 4);
}

#[tokio::test]
async fn an_outcome_is_recorded_once_and_only_that_of_the_claim() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("a");
    let jobs = [job(JobIds::default().next(std::time::SystemTime::now()))];
    commit(&mut link, Rows::New(&jobs), Some(PATIENCE)).await;
    let id = jobs[0].id;
    let [lost, held] = [(); 2].map(|()| ClaimId(Uuid::new_v4()));
    claimed(&database, id, held).await;
    let ended = |claim_id: ClaimId, result: &str| Ended {
        id,
        claim_id,
        ending: Ending::succeeded(json!(result)),
    };
    // Both in one batch, as a worker may that has lost a claim and has the same job again.
    let both = [ended(lost, "too late"), ended(held, "done")];
    commit(&mut link, Rows::Ended(&both), Some(PATIENCE)).await;
    let result = async || -> String {
        let result = "select result #>> '{}' from ringback.job_history";
        sqlx::query_scalar(result)
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    assert_eq!(result().await, "done");

    // However it came back, it is over: beside another, which is recorded.
    let other = job(JobIds::default().next(std::time::SystemTime::now()));
    let back = [jobs[0].clone(), other];
    commit(&mut link, Rows::New(&back[1..]), Some(PATIENCE)).await;
    sqlx::query(
        "insert into ringback.job select (jsonb_populate_record(job, jsonb_build_object('id', $1::uuid))).* from ringback.job",
    )
    .bind(id.0)
    .execute(&database.pool)
    .await
    .unwrap();
    let again = [(); 2].map(|()| ClaimId(Uuid::new_v4()));
    let mut second = Vec::new();
    for (job, claim) in back.iter().zip(again) {
        claimed(&database, job.id, claim).await;
        second.push(Ended {
            id: job.id,
            claim_id: claim,
            ending: Ending::succeeded(json!("done again")),
        });
    }
    let answers = commit(&mut link, Rows::Ended(&second), Some(PATIENCE)).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Answer::Stored)),
        "{answers:?}"
    );
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_history").await, 2);
    assert_eq!(
        database
            .count("ringback.job_history where result #>> '{}' = 'done'")
            .await,
        1
    );
}
