//! What is kept, and for how long: each table's rows go when their time is over and not before, in small batches.

use ringback::queue::operator_log;

use crate::support::{BATCH, Program, TestDatabase, eventually};

/// More than two batches.
const MANY: i64 = 2_500;

/// A table: how to fill it with a row for each number, at a time; which time is over, and which is not.
struct Table {
    name: &'static str,
    fill: &'static str,
    over: &'static str,
    not_over: &'static str,
}

/// As the settings of the worker below say.
const TABLES: [Table; 8] = [
    Table {
        name: "notice",
        fill: "(\"group\", number, content, expires_at) select 'system', number + 10000 * (at < now())::integer, 'x', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "ticket",
        fill: "(hash, subject, scopes, expires_at) select sha256((number || ' ' || at)::bytea), 'a', '{}', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "idempotency",
        fill: "(owner, key, job_id, request, expires_at) select 'a', number || ' ' || at, gen_random_uuid(), '', at",
        over: "now() - interval '1 s'",
        not_over: "now() + interval '1 h'",
    },
    Table {
        name: "session",
        fill: "(id, token_hash, notified, seen_at) select gen_random_uuid(), '', 0, at",
        over: "now() - interval '121 min'",
        not_over: "now() - interval '119 min'",
    },
    Table {
        name: "worker",
        fill: "(id, host, pid, version, queues, concurrency, beat_at, gone_at)
               select gen_random_uuid(), 'a', 1, '1', '{}', 1, at, at",
        over: "now() - interval '181 min'",
        not_over: "now() - interval '179 min'",
    },
    Table {
        name: "gateway",
        fill: "(id, host, pid, version, listen, beat_at) select gen_random_uuid(), 'a', 1, '1', 'a', at",
        over: "now() - interval '181 min'",
        not_over: "now() - interval '179 min'",
    },
    Table {
        name: "sample",
        fill: "select at - number * interval '1 ms', 10, 0, 0, 0, 0, 0, 0, 0, 0",
        over: "now() - interval '241 min'",
        not_over: "now() - interval '239 min'",
    },
    Table {
        name: "operator_log",
        fill: "(at, kind, who, what) select at, 'role', 'a', 'pause_queue'",
        over: "now() - interval '41 d'",
        not_over: "now() - interval '39 d'",
    },
];

const SETTINGS: [&str; 8] = [
    "--keep-sessions",
    "2h",
    "--keep-gone",
    "3h",
    "--keep-samples",
    "4h",
    "--keep-operator-log",
    "40d",
];

#[tokio::test]
async fn every_table_lets_go_of_what_is_over_in_small_batches_and_of_nothing_else() {
    let database = TestDatabase::new().await;
    for table in &TABLES {
        for (at, rows) in [(table.over, MANY), (table.not_over, 3)] {
            let fill = format!(
                "insert into ringback.{} {} from generate_series(1, {rows}) as number, (select {at} as at) as time",
                table.name, table.fill
            );
            database.execute(&fill).await;
        }
    }
    // One of those that are gone still holds a job that waits to be called back.
    database
        .execute(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts, attempt,
                 started_at, claim_id, worker_id, deadline)
             select ringback.uuid_new(), 'a', 'a', 'default', '1', 'waiting', 0, now(), 5, 1,
                 now(), gen_random_uuid(), id, now() + interval '1 h'
             from ringback.worker where gone_at < now() - interval '180 min' limit 1",
        )
        .await;
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    database.note_batches(&tables, "0").await;
    let _worker = Program::worker(&database, &SETTINGS).await;

    for table in &TABLES {
        // The worker itself has a row, takes a sample, and the job that waits keeps another.
        let left = match table.name {
            "worker" => "host = 'a'",
            "sample" => "at < now() - interval '1 h'",
            _ => "true",
        };
        let kept = if table.name == "worker" { 4 } else { 3 };
        let count = format!("ringback.{} where {left}", table.name);
        eventually(&format!("{} should let go", table.name), async || {
            database.count(&count).await == kept
        })
        .await;
        let batches = database.batches(table.name).await;
        let gone: i64 = batches.iter().sum();
        assert_eq!(gone, MANY + 3 - kept, "{}", table.name);
        assert!(batches[0] <= BATCH, "{}: {batches:?}", table.name);
        assert!(batches.len() >= 3, "{}: {batches:?}", table.name);
    }
}

#[tokio::test]
async fn a_session_goes_with_its_mailbox_however_full_that_is_and_what_was_lost_goes_as_well() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "insert into ringback.session (id, token_hash, notified, seen_at)
             select gen_random_uuid(), '', 0, now() - make_interval(days => age) from unnest(array[2, 2, 2, 0]) as age",
        )
        .await;
    database
        .execute(
            "insert into ringback.mailbox (session_id, job_id)
             select id, gen_random_uuid() from ringback.session, generate_series(1, 900)",
        )
        .await;
    database
        .execute(
            "insert into ringback.mailbox (session_id, job_id)
             select gen_random_uuid(), gen_random_uuid() from generate_series(1, 1500)",
        )
        .await;
    database.note_batches(&["session", "mailbox"], "0").await;
    let _worker = Program::worker(&database, &[]).await;
    eventually("all but one should be over", async || {
        database.count("ringback.session").await == 1
            && database.count("ringback.mailbox").await == 900
    })
    .await;
    let batches = database.batches("mailbox").await;
    assert!(batches[0] <= BATCH, "{batches:?}");
    assert_eq!(batches.iter().sum::<i64>(), 3 * 900 + 1_500);
}

#[tokio::test]
async fn days_go_as_a_whole_and_old_rows_beside_others_in_small_batches() {
    let database = TestDatabase::new().await;
    for (days_ago, jobs) in [(5, 10), (6, 10), (7, 10), (12, 2_400), (13, 10), (14, 10)] {
        database.past(days_ago, jobs).await;
    }
    // Of the twelfth day one is still to be run, of the thirteenth one waits for its session, and to one of the
    // fourteenth leads a key; of the seventh, which has been over for less than two days, one has just ended.
    database
        .execute(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts)
             select overlay(gen_random_uuid()::text placing
                     left(ringback.uuid_floor(now() - interval '12 d')::text, 13) from 1 for 13)::uuid,
                 'nobodys', 'a', 'default', '1', 'scheduled', 0, now() + interval '1 d', 5",
        )
        .await;
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
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
    let tables = ["job_history", "job_attempt", "job_event"];
    database.note_batches(&tables, "0").await;
    let _worker = Program::worker(&database, &["--keep-history", "6d"]).await;

    let of_day = "ringback.job_history where (created_at at time zone 'UTC')::date = (now() at time zone 'UTC')::date -";
    for (days_ago, left) in [(12, 0), (13, 1), (14, 1), (7, 10), (6, 10), (5, 10)] {
        eventually(
            &format!("of {days_ago} days ago, {left} should be left"),
            async || database.count(&format!("{of_day} {days_ago}")).await == left,
        )
        .await;
    }
    for table in tables {
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
    for table in tables {
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
    database
        .execute(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts)
             select overlay(gen_random_uuid()::text placing
                     left(ringback.uuid_floor(now() - interval '9 d')::text, 13) from 1 for 13)::uuid,
                 'nobodys', 'a', 'default', '1', 'scheduled', 0, now() + interval '1 d', 5",
        )
        .await;
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

#[tokio::test]
async fn what_operators_did_just_now_cannot_be_made_unseen() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "insert into ringback.operator_log (at, kind, who, what)
             select now() - make_interval(days => age), 'role', 'a', 'x' from unnest(array[29, 31]) as age",
        )
        .await;
    let mut link = database.database().link("test");
    let connection = link.connected().await.unwrap();
    operator_log::expire(connection, std::time::Duration::ZERO)
        .await
        .unwrap();
    let left: i64 = database.count("ringback.operator_log").await;
    assert_eq!(left, 1);
}

#[tokio::test]
async fn periods_that_do_not_suit_each_other_are_refused_before_anything_is_touched() {
    let database = TestDatabase::new().await;
    for verb in ["worker", "serve", "dev"] {
        let arguments = [verb, "--keep-history", "2d", "--keep-events", "3d"];
        let mut program = Program::start(&database, &arguments);
        assert_eq!(
            program.ended().await.code(),
            Some(2),
            "{}",
            program.output()
        );
        assert!(program.output().contains("RINGBACK_KEEP_EVENTS"));
    }
    assert_eq!(database.count("ringback.gateway").await, 0);
    assert_eq!(database.count("ringback.worker").await, 0);
}
