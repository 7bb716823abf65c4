//! The partitions of the history: they come and go beside whoever reads and finishes, and nothing wanted goes with them.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use ringback::ids::{JobId, JobIds};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use ringback::queue::{Answer, Rows, commit, expire, partitions, read};
use sqlx::Executor;
use uuid::Uuid;

use super::{DAY, FIRST, claim_some, cursor, job, jobs, stored, succeeded};
use crate::support::{TestDatabase, keep};

/// 2020-01-01, long before any retention.
const LONG_AGO: Duration = Duration::from_secs(1_577_836_800);

fn id_at(since_1970: Duration) -> JobId {
    JobIds::default().next(UNIX_EPOCH + since_1970)
}

/// Days long ago, as they are filled by jobs that finished then.
async fn fill(database: &TestDatabase, days: &[u32]) {
    for day in days {
        let time = LONG_AGO + DAY * *day;
        let mut link = database.database().link("fill");
        let connection = link.connected().await.unwrap();
        partitions::make_for(connection, &[id_at(time)])
            .await
            .unwrap();
        finished_at(
            database,
            id_at(time),
            &format!("to_timestamp({})", time.as_secs()),
        )
        .await;
    }
}

async fn finished_at(database: &TestDatabase, id: JobId, time: &str) {
    database
        .execute(&format!(
            "insert into ringback.job_history (id, task, task_type, queue, input, state, result, priority, run_at,
                 created_at, attempt, failures, crashes, max_attempts, started_at, finished_at, owner)
             select '{id}', 'a', 'a', 'default', '1', 'succeeded', '1', 0, at, at, 1, 0, 0, 5, at, at, 'anonymous'
             from (select {time} as at) as given"
        ))
        .await;
}

async fn old_partitions(database: &TestDatabase) -> i64 {
    database
        .count("pg_class where relkind = 'r' and relname ~ '^job_(history|attempt|event)_2020'")
        .await
}

#[tokio::test]
async fn no_finish_waits_while_a_reader_holds_the_history_and_partitions_come_and_go() {
    let database = TestDatabase::new().await;
    fill(&database, &[0, 1]).await;
    let mut reader = database.pool.acquire().await.unwrap();
    reader.execute("begin").await.unwrap();
    reader
        .execute("declare history cursor for select * from ringback.job_history")
        .await
        .unwrap();
    reader.execute("fetch 1 from history").await.unwrap();

    let mut link = database.database().link("finisher");
    let mut ids = JobIds::default();
    link.connected().await.unwrap();
    let cursor = cursor();
    link.connected()
        .await
        .unwrap()
        .execute("set lock_timeout = '100ms'")
        .await
        .unwrap();

    let mut house = database.database().link("house");
    let mut keeper = database.database().link("keeper");
    for turn in 0..2 {
        let mut finishes = 0;
        let keep_house = async {
            let connection = house.connected().await.unwrap();
            partitions::make_ahead(connection).await.unwrap();
            let far = id_at(LONG_AGO + DAY * (8_000 + turn));
            partitions::make_for(connection, &[far]).await.unwrap();
            expire::expire(keeper.connected().await.unwrap(), &keep(30 * DAY)).await
        };
        let work = async {
            loop {
                let new = jobs(&link, &mut ids, 1);
                let connection = link.connected().await.unwrap();
                enqueue(connection, &new, FIRST).await.unwrap();
                let claimed = claim_some(connection, &cursor).await;
                // With its lock timeout, it fails if it waits.
                finish(connection, &succeeded(&claimed), FIRST)
                    .await
                    .unwrap();
                finishes += claimed.len();
            }
        };
        let dropped = tokio::select! {
            dropped = keep_house => dropped.unwrap(),
            () = work => unreachable!("it goes on for ever"),
        };
        // Those of the attempts and of the events, which nobody reads, and those only.
        assert_eq!(dropped, if turn == 0 { 4 } else { 0 });
        assert!(finishes > 50, "only {finishes} finishes");
        assert_eq!(old_partitions(&database).await, 2);
    }

    reader.execute("rollback").await.unwrap();
    let connection = keeper.connected().await.unwrap();
    let dropped = expire::expire(connection, &keep(30 * DAY)).await.unwrap();
    assert_eq!(dropped, 2);
    assert_eq!(old_partitions(&database).await, 0);
}

#[tokio::test]
async fn only_what_nothing_recent_or_live_is_in_is_dropped_and_old_rows_go_alone() {
    let database = TestDatabase::new().await;
    fill(&database, &[0, 1, 2]).await;
    // Of the second day one job finished just now, and of the third one is still to be run.
    let recent = id_at(LONG_AGO + DAY);
    finished_at(&database, recent, "now()").await;
    let live = id_at(LONG_AGO + DAY * 2);
    let mut link = database.database().link("test");
    stored(&database, &mut link, &[job(live)]).await;

    let connection = link.connected().await.unwrap();
    let dropped = expire::expire(connection, &keep(30 * DAY)).await.unwrap();
    // All of the first day, and the second's of attempts and of events, in which nothing is.
    assert_eq!(dropped, 5);
    let left: Vec<Uuid> = sqlx::query_scalar("select id from ringback.job_history")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    assert_eq!(left, [recent.0]);

    let claimed = claim_some(connection, &cursor()).await;
    finish(connection, &succeeded(&claimed), FIRST)
        .await
        .unwrap();
    let outcomes = read::outcomes(&mut *connection, &[live]).await.unwrap();
    assert_eq!(outcomes.len(), 1);
}

#[tokio::test]
async fn what_waits_in_a_mailbox_is_kept_until_it_is_acknowledged() {
    let database = TestDatabase::new().await;
    fill(&database, &[0, 1]).await;
    // Of the first day one job waits alone, and of the second beside one that has just finished.
    let kept: Vec<JobId> = sqlx::query_scalar("select id from ringback.job_history order by id")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    assert_eq!(kept.len(), 2);
    let session = Uuid::new_v4();
    for id in &kept {
        let update = format!(
            "update ringback.job_history set session_id = '{session}' where id = '{}'",
            id.0
        );
        database.execute(&update).await;
        let mail = format!(
            "insert into ringback.mailbox values ('{session}', '{}')",
            id.0
        );
        database.execute(&mail).await;
    }
    let mut link = database.database().link("test");
    let connection = link.connected().await.unwrap();
    expire::expire(connection, &keep(30 * DAY)).await.unwrap();
    let mut left = read::outcomes(&mut *connection, &kept).await.unwrap();
    left.sort_by_key(|outcome| outcome.id);
    assert_eq!(
        left.iter().map(|outcome| outcome.id).collect::<Vec<_>>(),
        kept
    );
    assert!(left.iter().all(|outcome| outcome.unread));

    database.execute("delete from ringback.mailbox").await;
    expire::expire(connection, &keep(30 * DAY)).await.unwrap();
    assert_eq!(database.count("ringback.job_history").await, 0);
}

#[tokio::test]
async fn every_process_may_expire_at_once() {
    let database = TestDatabase::new().await;
    fill(&database, &[0, 1, 2, 3, 4, 5]).await;
    let all = (0..4).map(|_| async {
        let mut link = database.database().link("house");
        expire::expire(link.connected().await.unwrap(), &keep(30 * DAY)).await
    });
    let dropped: Result<Vec<u32>, _> = join_all(all).await.into_iter().collect();
    assert_eq!(dropped.unwrap().into_iter().sum::<u32>(), 18);
    assert_eq!(old_partitions(&database).await, 0);
}

#[tokio::test]
async fn a_finish_whose_partition_is_missing_or_was_let_go_makes_it() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("test");
    let cursor = cursor();
    for detached in [false, true] {
        let id = id_at(LONG_AGO + if detached { DAY } else { Duration::ZERO });
        if detached {
            fill(&database, &[1]).await;
            database
                .execute("alter table ringback.job_history detach partition ringback.job_history_20200102")
                .await;
        }
        stored(&database, &mut link, &[job(id)]).await;
        cursor.lock().unwrap().rewind();
        let claimed = claim_some(link.connected().await.unwrap(), &cursor).await;
        let ended = succeeded(&claimed);
        let committing = commit(&mut link, Rows::Ended(&ended), None);
        let answers = tokio::time::timeout(Duration::from_secs(10), committing)
            .await
            .expect("it should not be tried for ever");
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Answer::Stored)),
            "{answers:?}"
        );
        let outcomes = read::outcomes(link.connected().await.unwrap(), &[id])
            .await
            .unwrap();
        assert_eq!(outcomes.len(), 1);
    }
}

#[tokio::test]
async fn partitions_are_made_by_many_at_once_for_the_same_days_and_others() {
    let database = TestDatabase::new().await;
    let makers = (0..20_u32).map(|number| {
        let database = database.database();
        async move {
            let mut link = database.link("maker");
            let connection = link.connected().await?;
            // Several days in one statement, in different orders.
            let day = |step: u32| id_at(LONG_AGO + DAY * ((number * 3 + step * 7) % 5));
            partitions::make_for(connection, &[day(0), day(1), day(2)]).await?;
            partitions::make_ahead(connection).await?;
            connection
                .execute("select ringback.make_partitions('2020-02-01')")
                .await
        }
    });
    for made in join_all(makers).await {
        made.unwrap();
    }
    assert_eq!(old_partitions(&database).await, 18);
    let attached = database
        .count("pg_class where relispartition and relkind = 'r' and relname ~ '^job_(history|attempt)_2020'")
        .await;
    assert_eq!(attached, 12);
}
