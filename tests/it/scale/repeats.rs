//! What is sent again, is wanted by many at once, or comes too late: it is done once.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use ringback::ids::{JobId, JobIds, WorkerId};
use ringback::postgres::hints::Hinting;
use ringback::queue::claim::{Want, claim};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::{finish, put_back};
use ringback::queue::{PutBack, Try, Why, recover};
use sqlx::PgConnection;

use super::{FIRST, claim_as, claim_some, cursor, job, jobs, stored, succeeded};
use crate::support::{TestDatabase, eventually};

const AGAIN: Try = Try {
    again: true,
    hints: Hinting::Notify,
};

#[tokio::test]
async fn a_batch_that_is_sent_again_is_stored_once_whatever_became_of_it() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    let mut batch = jobs(&link, &mut ids, 900);
    let connection = link.connected().await.unwrap();
    enqueue(connection, &batch, FIRST).await.unwrap();
    let claimed = claim_some(connection, &cursor()).await;
    finish(connection, &succeeded(&claimed[..300]), FIRST)
        .await
        .unwrap();
    batch.push(job(ids.next(SystemTime::now())));
    for _ in 0..3 {
        enqueue(connection, &batch, AGAIN).await.unwrap();
        assert_eq!(database.count("ringback.job").await, 601);
        assert_eq!(database.count("ringback.job_history").await, 300);
    }
    let running = database.count("ringback.job where state = 'running'").await;
    assert_eq!(running, 200);
    // A finish is sent again, too.
    finish(connection, &succeeded(&claimed), AGAIN)
        .await
        .unwrap();
    assert_eq!(database.count("ringback.job_history").await, 500);
}

#[tokio::test]
async fn no_job_is_given_to_two_claimers() {
    const JOBS: usize = 5_000;
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    for _ in 0..JOBS / 500 {
        let new = jobs(&link, &mut ids, 500);
        stored(&database, &mut link, &new).await;
    }
    let claimers = (0..12).map(|number: usize| {
        let database = database.database();
        async move {
            let mut link = database.link("claimer");
            let connection = link.connected().await.unwrap();
            let cursor = cursor();
            let mut taken = Vec::new();
            loop {
                let width = 1 + (number * 7 + taken.len()) % 40;
                let tasks = ["a".to_owned()];
                let worker = WorkerId::random();
                let want = Want::any(worker, &tasks, width);
                let claimed = claim(connection, &cursor, &want).await.unwrap().jobs;
                assert!(claimed.len() <= width);
                if claimed.is_empty() {
                    return taken;
                }
                if number.is_multiple_of(2) {
                    finish(connection, &succeeded(&claimed), FIRST)
                        .await
                        .unwrap();
                }
                taken.extend(claimed.into_iter().map(|job| job.id));
            }
        }
    });
    let taken: Vec<JobId> = join_all(claimers).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), JOBS);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), JOBS);
    let twice = database.count("ringback.job where attempt <> 1").await
        + database
            .count("ringback.job_history where attempt <> 1")
            .await;
    assert_eq!(twice, 0);
}

#[tokio::test]
async fn a_claim_from_before_a_recovery_changes_nothing() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let new = jobs(&link, &mut JobIds::default(), 1);
    stored(&database, &mut link, &new).await;
    let silent = WorkerId::random();
    database
        .execute(&format!(
            "insert into ringback.worker (id, host, pid, version, queues, concurrency, beat_at)
             values ('{silent}', 'elsewhere', 1, '0', '{{default}}', 1, '-infinity')"
        ))
        .await;
    let cursor = cursor();
    let connection = link.connected().await.unwrap();
    let stale = claim_as(connection, &cursor, silent).await;
    assert_eq!(stale.len(), 1);
    // The server itself has to have been up for as long as a worker may be silent.
    eventually("the job should be taken back", async || {
        recover::recover(&mut link).await.unwrap();
        database.count("ringback.job where state = 'ready'").await == 1
    })
    .await;
    let connection = link.connected().await.unwrap();
    let back = [PutBack {
        id: stale[0].id,
        claim_id: stale[0].claim_id,
        why: Why::Failed {
            code: "late".to_owned(),
            error: "late".to_owned(),
            delay: Duration::ZERO,
        },
    }];
    let unchanged = async |connection: &mut PgConnection| {
        let rows = "select coalesce(jsonb_agg(to_jsonb(job))::text, '') from ringback.job";
        let before: String = sqlx::query_scalar(rows)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        finish(connection, &succeeded(&stale), FIRST).await.unwrap();
        put_back(connection, &back, FIRST).await.unwrap();
        let after: String = sqlx::query_scalar(rows)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(before, after);
    };
    unchanged(connection).await;
    cursor.lock().unwrap().rewind();
    let fresh = claim_some(connection, &cursor).await;
    assert_eq!(fresh[0].id, stale[0].id);
    assert_eq!((fresh[0].attempt, fresh[0].failures), (2, 0));
    unchanged(connection).await;
    finish(connection, &succeeded(&fresh), FIRST).await.unwrap();
    unchanged(connection).await;
    assert_eq!(
        database
            .count("ringback.job_history where attempt = 2")
            .await,
        1
    );
    assert_eq!(
        database
            .count("ringback.job_attempt where outcome = 'crashed'")
            .await,
        1
    );
}
