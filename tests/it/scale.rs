//! The queue under load and beside long readers: what is read and what is waited for, not how long it takes.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use ringback::ids::{JobId, JobIds, WorkerId};
use ringback::postgres::Link;
use ringback::queue::claim::{Want, claim};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::{finish, put_back};
use ringback::queue::{
    Answer, Asker, Claimed, Cursor, Due, Ended, Ending, NewJob, PutBack, Rows, Try, Why, commit,
    expire, partitions, read, recover,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::doctor::Report;
use crate::support::{Client, Program, TestDatabase, eventually, keep};

const FIRST: Try = Try {
    again: false,
    hints: true,
};
const AGAIN: Try = Try {
    again: true,
    hints: true,
};
const DAY: Duration = Duration::from_secs(86_400);
/// 2020-01-01, long before any retention.
const LONG_AGO: Duration = Duration::from_secs(1_577_836_800);

/// A job of nobody, due now.
pub(crate) fn job(id: JobId) -> NewJob {
    NewJob {
        id,
        task: "a".to_owned(),
        task_type: "a".to_owned(),
        queue: "default".to_owned(),
        input: json!("x"),
        priority: 0,
        max_attempts: Some(5),
        due: Due::Now,
        concurrency_key: None,
        stream: false,
        traceparent: None,
        asker: Asker::nobody(),
        key: None,
    }
}

/// New jobs of now.
fn jobs(link: &Link, ids: &mut JobIds, count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job(ids.next(link.now()))).collect()
}

fn id_at(since_1970: Duration) -> JobId {
    JobIds::default().next(UNIX_EPOCH + since_1970)
}

fn succeeded(claimed: &[Claimed]) -> Vec<Ended> {
    let ended = |job: &Claimed| Ended {
        id: job.id,
        claim_id: job.claim_id,
        ending: Ending::succeeded(json!("y")),
    };
    claimed.iter().map(ended).collect()
}

fn cursor() -> Mutex<Cursor> {
    Mutex::new(Cursor::new(["default".to_owned()]))
}

async fn claim_some(connection: &mut PgConnection, cursor: &Mutex<Cursor>) -> Vec<Claimed> {
    claim_as(connection, cursor, WorkerId::random()).await
}

async fn claim_as(
    connection: &mut PgConnection,
    cursor: &Mutex<Cursor>,
    worker: WorkerId,
) -> Vec<Claimed> {
    let tasks = ["a".to_owned()];
    claim(connection, cursor, &Want::any(worker, &tasks, 500))
        .await
        .unwrap()
        .jobs
}

async fn stored(database: &TestDatabase, link: &mut Link, jobs: &[NewJob]) {
    let answers = commit(link, Rows::New(jobs), Some(Duration::from_secs(10))).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Answer::Stored)),
        "{answers:?}"
    );
    assert!(database.count("ringback.job").await > 0);
}

/// A number out of the statistics, as exact as this connection's own part of them.
async fn statistic(connection: &mut PgConnection, query: &str) -> i64 {
    connection
        .execute("select pg_stat_force_next_flush()")
        .await
        .unwrap();
    connection
        .execute("select pg_stat_clear_snapshot()")
        .await
        .unwrap();
    sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
        .fetch_one(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn claims_beside_an_old_snapshot_read_no_more_than_they_take() {
    const ROUNDS: usize = 120;
    const READ: &str =
        "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'job_ready'";
    const BUFFERS: &str = "select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
        from pg_statio_user_tables where schemaname = 'ringback' and relname = 'job'";
    let database = TestDatabase::new().await;
    let mut old = database.pool.acquire().await.unwrap();
    old.execute("begin isolation level repeatable read")
        .await
        .unwrap();
    old.execute("select count(*) from ringback.job")
        .await
        .unwrap();

    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    let cursor = cursor();
    let started = Instant::now();
    let (mut reads, mut buffers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let new = jobs(&link, &mut ids, 500);
        let connection = link.connected().await.unwrap();
        enqueue(connection, &new, FIRST).await.unwrap();
        let before = statistic(connection, READ).await;
        let buffers_before = statistic(connection, BUFFERS).await;
        let claimed = claim_some(connection, &cursor).await;
        reads.push(statistic(connection, READ).await - before);
        buffers.push(statistic(connection, BUFFERS).await - buffers_before);
        assert_eq!(claimed.len(), 500);
        finish(connection, &succeeded(&claimed), FIRST)
            .await
            .unwrap();
    }
    // A scan from the beginning, once every five seconds, reads what the snapshot keeps; the others must not.
    let whole = started.elapsed().as_secs() / 5 + 1;
    let long = reads.iter().filter(|read| **read > 600).count();
    assert!(
        u64::try_from(long).unwrap() <= whole,
        "{long} claims of {ROUNDS} read much more than 500 rows, and {whole} may: {reads:?}"
    );
    // The middle of some, so that those few do not count: once fifteen thousand jobs have passed through, and once sixty have.
    let middle = |rounds: &[i64]| {
        let mut rounds = rounds.to_vec();
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    };
    let (first, last) = (middle(&buffers[20..40]), middle(&buffers[100..120]));
    assert!(
        last < first * 3 / 2,
        "from {first} to {last} buffers: {buffers:?}"
    );

    // And whoever runs it hears who it is.
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *old)
        .await
        .unwrap();
    let report = Report::at(&database.url, &["--long-transaction", "1s"]).await;
    let holders = report.all("snapshots");
    let holder = holders
        .iter()
        .find(|(_, found, _)| found.starts_with(&format!("pid {pid} (")));
    let (status, found, advice) = holder.unwrap_or_else(|| panic!("{holders:?}"));
    assert_ne!(*status, "ok");
    assert!(found.contains(", open for "), "{found}");
    assert!(found.contains("keeps the dead rows of the last"), "{found}");
    assert_eq!(*advice, format!("select pg_terminate_backend({pid})"));
    old.execute("rollback").await.unwrap();
}

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
    recover::promote(connection).await.unwrap();
    let claimed = claim_some(connection, &cursor).await;
    assert_eq!(claimed.first().map(|job| job.id), Some(past.id));
    let mut claimed: Vec<JobId> = claimed.iter().skip(1).map(|job| job.id).collect();
    eventually("the job should become due", async || {
        let connection = link.connected().await.unwrap();
        recover::promote(connection).await.unwrap();
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
        recover::recover(link.connected().await.unwrap())
            .await
            .unwrap();
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

#[tokio::test]
async fn thirty_thousand_jobs_into_an_empty_database_are_walked_along_indexes() {
    const CLIENTS: usize = 6;
    const EACH: usize = 5_000;
    let database = TestDatabase::new().await;
    // What autovacuum leaves of tables that are empty most of the time: statistics that say so.
    database
        .execute(
            "vacuum (analyze) ringback.job, ringback.job_history, ringback.task, ringback.queue",
        )
        .await;
    database.execute("select pg_stat_reset()").await;
    let mut gateway = Program::serve(&database, &[]).await;
    let mut worker = Program::worker(&database, &[]).await;
    let clients = (0..CLIENTS).map(|_| async {
        let mut client = Client::connect(&gateway).await;
        let (mut asked, mut answered) = (0, 0);
        while answered < EACH {
            while asked < EACH && asked - answered < 100 {
                client.ask("default", "x").await;
                asked += 1;
            }
            let message = client.next().await;
            match message.action() {
                "job_queued" => {}
                "job_result" => answered += 1,
                other => panic!("an unexpected {other}: {message:?}"),
            }
        }
    });
    join_all(clients).await;
    // A connection that ends tells what it has counted.
    for program in [&mut gateway, &mut worker] {
        program.signal("TERM");
        assert!(program.ended().await.success());
    }
    eventually("every connection should have ended", async || {
        database
            .count("pg_stat_activity where datname = current_database() and application_name like 'ringback%'")
            .await
            == 0
    })
    .await;
    let finished = database.count("ringback.job_history").await;
    assert_eq!(finished, i64::try_from(CLIENTS * EACH).unwrap());
    // By now our own count of the history is in the statistics, or not; it is one whole reading.
    let read: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, coalesce(seq_tup_read, 0) from pg_stat_user_tables
         where schemaname = 'ringback' and relname ~ '^(job|worker|task|queue)' order by 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    for (table, rows) in &read {
        let most = if table.starts_with("job_history") {
            finished + 1_000
        } else {
            1_000
        };
        assert!(
            *rows <= most,
            "{rows} rows of {table} were read one after the other: {read:?}"
        );
    }
    // Nor was the live table read whole through an index, again and again.
    let walked: i64 = sqlx::query_scalar(
        "select sum(idx_tup_read)::bigint from pg_stat_user_indexes where relname = 'job'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert!(
        walked < finished * 20,
        "{walked} index entries for {finished} jobs"
    );
}

/// The statements that run all the time, with the arguments of a batch.
fn statements(
    new: &[NewJob],
    claimed: &[(Uuid, Uuid)],
) -> [(&'static str, &'static str, String); 4] {
    let column = |values: Vec<String>, kind: &str| format!("'{{{}}}'::{kind}[]", values.join(","));
    let same = |value: &str, count: usize, kind: &str| column(vec![value.to_owned(); count], kind);
    let ids = |ids: Vec<Uuid>| column(ids.iter().map(Uuid::to_string).collect(), "uuid");
    let (old, count) = (claimed.len(), new.len());
    let submitted = [
        ids(new.iter().map(|job| job.id.0).collect()),
        same("a", count, "text"),
        same("a", count, "text"),
        same("default", count, "text"),
        same("1", count, "text"),
        same("0", count, "smallint"),
        same("5", count, "integer"),
        same("null", count, "uuid"),
        same("null", count, "uuid"),
        same("null", count, "float8"),
        same("null", count, "float8"),
        same("null", count, "text"),
        ids((0..count).map(session).collect()),
        same("anonymous", count, "text"),
        same("false", count, "boolean"),
        column(new.iter().map(|job| job.id.to_string()).collect(), "text"),
        same("60", count, "float8"),
        "true".to_owned(),
        "false".to_owned(),
        same("null", count, "text"),
    ];
    let ended = [
        ids(claimed.iter().map(|(id, _)| *id).collect()),
        ids(claimed.iter().map(|(_, claim)| *claim).collect()),
        same("succeeded", old, "text"),
        same("1", old, "text"),
        same("null", old, "text"),
        same("null", old, "text"),
        "false".to_owned(),
        "true".to_owned(),
        "true".to_owned(),
    ];
    let asked = ids(claimed.iter().map(|(id, _)| *id).collect());
    let wanted = format!(
        "'{{default}}'::text[], '{{{}}}'::bigint[], '{{{}}}'::uuid[], '{}', '{{a}}'::text[], '{{500}}'::bigint[], true, 500",
        i64::MIN,
        Uuid::nil(),
        Uuid::new_v4()
    );
    [
        (
            "enqueue",
            include_str!("../../src/queue/enqueue.sql"),
            submitted.join(", "),
        ),
        ("claim", include_str!("../../src/queue/claim.sql"), wanted),
        (
            "finish",
            include_str!("../../src/queue/finish.sql"),
            ended.join(", "),
        ),
        (
            "outcomes",
            include_str!("../../src/queue/outcomes.sql"),
            asked,
        ),
    ]
}

#[tokio::test]
async fn statements_use_indexes_whenever_their_tables_were_analyzed() {
    for analyzed in [0, 1, 7, 8, 12] {
        statements_use_indexes(analyzed).await;
    }
}

/// One of five hundred sessions.
fn session(turn: usize) -> Uuid {
    Uuid::from_u128(1 + turn as u128 % 500)
}

/// Sixteen turns of a batch each, on tables that are full from the eighth on, and analyzed before one of the turns.
async fn statements_use_indexes(analyzed: usize) {
    let database = TestDatabase::new().await;
    database
        .execute("vacuum (analyze) ringback.job, ringback.job_history, ringback.queue")
        .await;
    for turn in 0..500 {
        let session = format!(
            "insert into ringback.session (id, token_hash, notified) values ('{}', '', 0)",
            session(turn)
        );
        database.execute(&session).await;
    }
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    for turn in 0..16 {
        if turn == analyzed {
            // As autovacuum does it at any time.
            database
                .execute("analyze ringback.job, ringback.job_history")
                .await;
        }
        if turn == 8 {
            // Beside the jobs of each turn, ten thousand that wait, and as many that are over.
            for finished in [true, false] {
                for _ in 0..20 {
                    let new = jobs(&link, &mut ids, 500);
                    let connection = link.connected().await.unwrap();
                    enqueue(connection, &new, FIRST).await.unwrap();
                    if finished {
                        let claimed = claim_some(connection, &cursor()).await;
                        finish(connection, &succeeded(&claimed), FIRST)
                            .await
                            .unwrap();
                    }
                }
            }
        }
        let new = jobs(&link, &mut ids, 500);
        let connection = link.connected().await.unwrap();
        let mut claimed = Vec::new();
        for step in 0..4 {
            let (name, sql, arguments) = statements(&new, &claimed)[step].clone();
            if turn == 0 {
                let prepare = format!("prepare {name} as {sql}");
                connection.execute(AssertSqlSafe(prepare)).await.unwrap();
            }
            let explain = format!(
                "explain (analyze, buffers, costs off, timing off) execute {name}({arguments})"
            );
            let plan: Vec<String> = sqlx::raw_sql(AssertSqlSafe(explain))
                .fetch_all(&mut *connection)
                .await
                .unwrap()
                .iter()
                .map(|row| sqlx::Row::get(row, 0))
                .collect();
            let plan = plan.join("\n");
            assert!(
                !plan.contains("Seq Scan on job"),
                "turn {turn}, analyzed before {analyzed}, {name}:\n{plan}"
            );
            let buffers = buffers(&plan);
            // Each row costs a few pages in each index and table, and is met in a few versions; a batch that reads a
            // table again for each of its rows costs a hundred times as much.
            assert!(
                buffers < 500 * 60,
                "turn {turn}, {name}, {buffers} buffers:\n{plan}"
            );
            assert!(
                // A few index entries for each of the 500 rows, dead ones included.
                most_rows(&plan) <= 2_000,
                "turn {turn}, analyzed before {analyzed}, {name}:\n{plan}"
            );
            if name == "claim" {
                claimed =
                    sqlx::query_as("select id, claim_id from ringback.job where state = 'running'")
                        .fetch_all(&mut *connection)
                        .await
                        .unwrap();
                assert_eq!(claimed.len(), 500, "turn {turn}");
            }
        }
    }
}

/// All that a statement touched, of its plan's first line with buffers.
fn buffers(plan: &str) -> u64 {
    let line = plan.lines().find(|line| line.contains("Buffers:"));
    let numbers = line.unwrap_or_default().split(['=', ' ']);
    numbers.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// The most rows that one step gave or threw away, over all its loops.
fn most_rows(plan: &str) -> u64 {
    let number = |line: &str, after: &str| -> Option<u64> {
        let rest = line.split(after).nth(1)?.trim_start();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let mut loops = 1;
    let mut most = 0;
    for line in plan.lines() {
        if let Some(rows) = number(line, "actual rows=") {
            loops = number(line, "loops=").unwrap_or(1);
            most = most.max(rows * loops);
        } else if let Some(rows) = number(line, "Rows Removed by Filter:")
            .or_else(|| number(line, "Rows Removed by Join Filter:"))
        {
            most = most.max(rows * loops);
        }
    }
    most
}
