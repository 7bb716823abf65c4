//! The history of jobs: its days go as a whole, or row by row where something of them is still wanted.

use std::time::Duration;

use ringback::queue::expire;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::{BATCH, PARTITIONED, Program, TestDatabase, eventually, keep};

#[tokio::test]
async fn whoever_has_not_the_turn_has_none_of_its_limits() {
    let database = TestDatabase::new().await;
    let mut other = database.pool.acquire().await.unwrap();
    other
        .execute("select pg_advisory_lock(hashtextextended('ringback.expire', 0))")
        .await
        .unwrap();
    let mut link = database.database().link("test");
    let connection = link.connected().await.unwrap();
    connection.execute("set lock_timeout = '7s'").await.unwrap();
    database.past(40, 30).await;
    let month = keep(Duration::from_secs(30 * 86_400));
    assert_eq!(expire::expire(connection, &month).await.unwrap(), 0);
    let limit: String = sqlx::query_scalar("show lock_timeout")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(limit, "7s");
    other
        .execute("select pg_advisory_unlock_all()")
        .await
        .unwrap();
    assert_eq!(expire::expire(connection, &month).await.unwrap(), 3);
}

#[tokio::test]
async fn whether_a_day_is_over_is_known_without_reading_all_mailboxes() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    let mut link = database.database().link("test");
    let connection = link.connected().await.unwrap();
    // What is read for this is counted with what this connection reads, and not whenever another says what it has read;
    // and nobody cleans up meanwhile.
    for filling in [
        "alter table ringback.mailbox set (autovacuum_enabled = off)",
        "insert into ringback.mailbox
         select gen_random_uuid(), ringback.uuid_new() from generate_series(1, 30000)",
        "analyze ringback.mailbox",
    ] {
        connection.execute(filling).await.unwrap();
    }
    let read = "select (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint
                from pg_statio_user_tables where relname = 'mailbox'";
    let flush = "select pg_stat_force_next_flush()";
    connection.execute(flush).await.unwrap();
    let before: i64 = sqlx::query_scalar(read)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let month = keep(Duration::from_secs(30 * 86_400));
    assert_eq!(expire::expire(connection, &month).await.unwrap(), 3);
    connection.execute(flush).await.unwrap();
    let after: i64 = sqlx::query_scalar(read)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert!(after - before < 50, "read {} blocks", after - before);
}

#[tokio::test]
async fn days_go_as_a_whole_and_old_rows_beside_others_in_small_batches() {
    let database = TestDatabase::new().await;
    for (days_ago, jobs) in [(5, 10), (6, 10), (7, 10), (12, 2_400), (13, 10), (14, 10)] {
        database.past(days_ago, jobs).await;
    }
    // Of the twelfth day one is still to be run, of the thirteenth one waits for its session, and to one of the
    // fourteenth leads a key; of the seventh, which has been over for less than two days, one has just ended.
    database.keeps_one_of(12).await;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select distinct on ((created_at at time zone 'UTC')::date) id from ringback.job_history
         where (created_at at time zone 'UTC')::date < (now() at time zone 'UTC')::date - 6 order by (created_at at time zone 'UTC')::date, id",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let [fourteenth, thirteenth, _, seventh] = ids[..] else {
        panic!("{ids:?}");
    };
    for statement in [
        format!(
            "insert into ringback.session (id, token_hash, notified) values ('{thirteenth}', '', 0)"
        ),
        format!("update ringback.job_history set session_id = id where id = '{thirteenth}'"),
        format!("insert into ringback.mailbox values ('{thirteenth}', '{thirteenth}')"),
        format!(
            "insert into ringback.idempotency values ('a', 'a', '{fourteenth}', '', now() + interval '1 h')"
        ),
        format!("update ringback.job_history set finished_at = now() where id = '{seventh}'"),
    ] {
        database.execute(&statement).await;
    }
    // More pieces of one job than go at once.
    database
        .execute(
            "insert into ringback.job_event (job_id, attempt, seq, text)
             select id, 2, number, 'a piece' from generate_series(1, 1700) as number, (
                 select id from ringback.job_history
                 where id < ringback.uuid_floor(now() - interval '11 d') and error is null
                 order by id desc limit 1
             ) as one",
        )
        .await;
    database.note_batches(&PARTITIONED, "0").await;
    let _worker = Program::worker(&database, &["--keep-history", "6d"]).await;

    let of_day = "ringback.job_history where (created_at at time zone 'UTC')::date = (now() at time zone 'UTC')::date -";
    for (days_ago, left) in [(12, 0), (13, 1), (14, 1), (7, 10), (6, 10), (5, 10)] {
        eventually(
            &format!("of {days_ago} days ago, {left} should be left"),
            async || database.count(&format!("{of_day} {days_ago}")).await == left,
        )
        .await;
    }
    for table in PARTITIONED {
        let batches = database.batches(table).await;
        assert!(batches[0] <= BATCH, "{table}: {batches:?}");
    }
    assert_eq!(
        database.batches("job_history").await.iter().sum::<i64>(),
        2_418
    );
    // What belongs to a job has gone with it, and nothing else.
    for table in ["job_attempt", "job_event"] {
        let lost =
            format!("ringback.{table} where job_id not in (select id from ringback.job_history)");
        assert_eq!(database.count(&lost).await, 0, "{table}");
    }
    assert_eq!(
        database.count("ringback.job_attempt").await,
        4 + 4 + 4 + 1 + 1
    );
    assert!(database.has_partition("job_history", 12).await);

    // Once nobody needs them, the days go.
    for table in ["job", "mailbox", "idempotency"] {
        database
            .execute(&format!("delete from ringback.{table}"))
            .await;
    }
    let _other = Program::worker(&database, &["--keep-history", "6d"]).await;
    for table in PARTITIONED {
        for days_ago in [12, 13, 14] {
            eventually(
                &format!("{table} of {days_ago} days ago should go"),
                async || !database.has_partition(table, days_ago).await,
            )
            .await;
        }
    }
    assert_eq!(database.count("ringback.job_history").await, 30);
}

#[tokio::test]
async fn the_text_of_jobs_may_go_before_them() {
    let database = TestDatabase::new().await;
    for days_ago in [2, 5, 9] {
        database.past(days_ago, 30).await;
    }
    // Of the ninth day, one job is still to be run: the text of the others goes alone.
    database.keeps_one_of(9).await;
    let _worker = Program::worker(&database, &["--keep-events", "3d"]).await;
    eventually(
        "the text of the fifth and ninth day should go",
        async || database.count("ringback.job_event").await == 10,
    )
    .await;
    assert!(!database.has_partition("job_event", 5).await);
    assert!(database.has_partition("job_event", 9).await);
    assert_eq!(database.count("ringback.job_history").await, 90);
    assert_eq!(database.count("ringback.job_attempt").await, 30);
}
