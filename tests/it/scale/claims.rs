//! Which jobs a claim takes, and in which order.

use std::time::{Duration, SystemTime};

use ringback::ids::{JobId, JobIds};
use ringback::queue::enqueue::enqueue;
use ringback::queue::{Due, NewJob, recover};
use sqlx::{Connection, Executor};

use super::{DAY, FIRST, claim_some, cursor, job, jobs, stored};
use crate::support::{TestDatabase, eventually};

#[tokio::test]
async fn a_hint_that_is_heard_during_a_scan_is_looked_at_by_the_next() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    let mut late = database.database().link("late");
    let mut ids = JobIds::default();
    let cursor = cursor();
    link.connected().await.unwrap();
    // It has the earlier rank, and commits after the claim has looked.
    let early = jobs(&link, &mut ids, 1);
    let mut transaction = late.connected().await.unwrap().begin().await.unwrap();
    enqueue(&mut transaction, &early, FIRST).await.unwrap();
    let rank: i64 = sqlx::query_scalar("select rank from ringback.job")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let later = jobs(&link, &mut ids, 1);
    let connection = link.connected().await.unwrap();
    enqueue(connection, &later, FIRST).await.unwrap();

    // The scan is held up where it locks its rows, and the hint comes meanwhile.
    let mut holder = database.pool.acquire().await.unwrap();
    holder.execute("begin").await.unwrap();
    holder
        .execute("lock table ringback.job in share mode nowait")
        .await
        .expect_err("the other transaction is writing to it");
    holder.execute("rollback").await.unwrap();
    holder.execute("begin").await.unwrap();
    holder
        .execute("lock table ringback.queue in access exclusive mode")
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let scan = claim_some(connection, &cursor);
    let meanwhile = async {
        eventually("the claim should wait", async || {
            database
                .count(&format!(
                    "pg_stat_activity where pid = {pid} and wait_event_type = 'Lock'"
                ))
                .await
                == 1
        })
        .await;
        // As the listener does it, when the hint overtakes the claim's own answer.
        cursor.lock().unwrap().look_at("default", rank);
        holder.execute("rollback").await.unwrap();
    };
    let (claimed, ()) = futures_util::join!(scan, meanwhile);
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id, later[0].id);
    transaction.commit().await.unwrap();
    let claimed = claim_some(link.connected().await.unwrap(), &cursor).await;
    assert_eq!(claimed.len(), 1, "the hint was forgotten");
    assert_eq!(claimed[0].id, early[0].id);
}

#[tokio::test]
async fn scheduled_jobs_wait_until_they_are_due_and_are_then_promoted() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let now = link.now();
    let mut ids = JobIds::default();
    let due = |ids: &mut JobIds, due_at: SystemTime| NewJob {
        due: Due::At(due_at),
        ..job(ids.next(now))
    };
    let soon = due(&mut ids, now + Duration::from_millis(500));
    let later = due(&mut ids, now + DAY);
    let past = due(&mut ids, now - DAY);
    let connection = link.connected().await.unwrap();
    enqueue(
        connection,
        &[soon.clone(), later.clone(), past.clone()],
        FIRST,
    )
    .await
    .unwrap();
    let cursor = cursor();
    recover::promote(&mut link).await.unwrap();
    let connection = link.connected().await.unwrap();
    let claimed = claim_some(connection, &cursor).await;
    assert_eq!(claimed.first().map(|job| job.id), Some(past.id));
    let mut claimed: Vec<JobId> = claimed.iter().skip(1).map(|job| job.id).collect();
    eventually("the job should become due", async || {
        recover::promote(&mut link).await.unwrap();
        let connection = link.connected().await.unwrap();
        cursor.lock().unwrap().rewind();
        claimed.extend(
            claim_some(connection, &cursor)
                .await
                .iter()
                .map(|job| job.id),
        );
        !claimed.is_empty()
    })
    .await;
    assert_eq!(claimed, [soon.id]);
    let early = database
        .count("ringback.job where started_at < run_at or (state = 'ready' and run_at > now())")
        .await;
    assert_eq!(early, 0);
    assert_eq!(
        database
            .count("ringback.job where state = 'scheduled'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_step_of_priority_is_worth_a_minute_of_waiting() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let now = link.now();
    let mut ids = JobIds::default();
    let mut given = |seconds: u64, priority: i16| NewJob {
        due: Due::At(now - Duration::from_secs(seconds)),
        priority,
        ..job(ids.next(now))
    };
    let (plain, urgent, patient, humble) =
        (given(1, 0), given(1, 2), given(119, 0), given(170, -1));
    let new = [
        plain.clone(),
        urgent.clone(),
        patient.clone(),
        humble.clone(),
    ];
    let connection = link.connected().await.unwrap();
    enqueue(connection, &new, FIRST).await.unwrap();
    let claimed = claim_some(connection, &cursor()).await;
    let order: Vec<JobId> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(order, [urgent.id, patient.id, humble.id, plain.id]);
}

#[tokio::test]
async fn a_paused_queue_is_not_claimed_from() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let new = jobs(&link, &mut JobIds::default(), 3);
    stored(&database, &mut link, &new).await;
    database
        .execute("insert into ringback.queue values ('default', now())")
        .await;
    let cursor = cursor();
    let connection = link.connected().await.unwrap();
    assert_eq!(claim_some(connection, &cursor).await, []);
    database
        .execute("update ringback.queue set paused_at = null")
        .await;
    assert_eq!(claim_some(connection, &cursor).await.len(), 3);
}
