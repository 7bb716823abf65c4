//! `ringback jobs prune`: deletes what is over before its time, and nothing else.

use serde_json::json;
use sqlx::Executor;

use crate::support::{BATCH, Client, PARTITIONED, Program, TestDatabase, eventually};

async fn ended(database: &TestDatabase, arguments: &[&str]) -> (Option<i32>, String) {
    let mut verb = Program::start(database, &[&["jobs", "prune"], arguments].concat());
    let status = verb.ended().await;
    (status.code(), verb.output())
}

#[tokio::test]
async fn what_is_meant_goes_after_saying_how_much_and_nothing_else() {
    let database = TestDatabase::new().await;
    for days_ago in [3, 8, 9] {
        database.past(days_ago, 3_000).await;
    }
    let failed_and_even = ["--older-than", "7d", "--state", "failed", "--task", "even"];
    let (code, said) = ended(&database, &[&failed_and_even[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("1000 jobs would be deleted"), "{said}");
    assert!(said.contains("state failed, task even"), "{said}");
    let (code, said) = ended(&database, &failed_and_even).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("Delete 1000 jobs"), "{said}");
    assert_eq!(database.count("ringback.job_history").await, 9_000);
    assert_eq!(database.count("ringback.operator_log").await, 0);

    // One waits for its session, and to one leads a key.
    database
        .execute(
            "with two as (
                 select id, row_number() over (order by id) as number from ringback.job_history
                 where state = 'failed' and task = 'even' order by id limit 2
             ), told as (
                 update ringback.job_history set session_id = two.id from two
                 where number = 1 and job_history.id = two.id
             ), mailed as (
                 insert into ringback.mailbox select id, id from two where number = 1
             ), keyed as (
                 insert into ringback.session (id, token_hash, notified) select id, '', 0 from two where number = 1
             )
             insert into ringback.idempotency select 'a', 'a', id, '', now() + interval '1 h' from two where number = 2",
        )
        .await;
    database.note_batches(&PARTITIONED, "0").await;
    let (code, said) = ended(&database, &[&failed_and_even[..], &["--yes"]].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("998 jobs deleted"), "{said}");
    assert_eq!(database.count("ringback.job_history").await, 8_002);
    let meant = "state = 'failed' and task = 'even'";
    let old =
        format!("ringback.job_history where {meant} and finished_at < now() - interval '7 d'");
    assert_eq!(database.count(&old).await, 2);
    for table in PARTITIONED {
        let batches = database.batches(table).await;
        assert_eq!(batches.iter().sum::<i64>(), 998, "{table}");
        assert!(
            batches[0] <= BATCH && batches.len() >= 2,
            "{table}: {batches:?}"
        );
    }
    let deed: (String, Vec<String>) =
        sqlx::query_as("select what, on_what from ringback.operator_log")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert_eq!(deed.0, "prune_jobs");
    assert!(deed.1[0].starts_with("ended before "), "{deed:?}");
    assert_eq!(deed.1[1..], ["state failed", "task even"]);
    // The views know nothing of them.
    let attempts = "ringback.attempts where outcome = 'failed' and attempt = 1";
    assert_eq!(database.count(attempts).await, 3_000 - 998);
}

#[tokio::test]
async fn whole_days_go_at_once_and_what_is_not_over_stays() {
    let database = TestDatabase::new().await;
    for days_ago in [3, 7, 8, 9] {
        database.past(days_ago, 300).await;
    }
    database.keeps_one_of(8).await;
    database.note_batches(&PARTITIONED, "0").await;
    let (code, said) = ended(&database, &["--older-than", "7d", "--yes"]).await;
    assert_eq!(code, Some(0), "{said}");
    // The seventh day from its midnight on is younger than seven days, or partly.
    let left = "ringback.job_history where finished_at < now() - interval '7 d'";
    assert_eq!(database.count(left).await, 0);
    for table in PARTITIONED {
        assert!(!database.has_partition(table, 9).await, "{table}");
        assert!(database.has_partition(table, 8).await, "{table}");
    }
    assert!(database.batches("job_history").await.iter().sum::<i64>() >= 300);
    assert_eq!(database.count("ringback.job").await, 1);
    assert_eq!(database.count("ringback.export_file").await, 0);
    // Without anything to do, nothing is recorded.
    let (code, said) = ended(&database, &["--older-than", "8d"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("0 jobs deleted"), "{said}");
    assert_eq!(database.count("ringback.operator_log").await, 1);
    let (code, said) = ended(&database, &["--older-than", "1m", "--yes"]).await;
    assert_eq!(code, Some(2), "{said}");
    let (code, _) = ended(&database, &["--older-than", "7d", "--state", "running"]).await;
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn that_none_of_it_is_exported_is_said_before_it_is_done() {
    let database = TestDatabase::new().await;
    database.past(8, 30).await;
    let arguments = ["--older-than", "7d"];
    let dry = ["--older-than", "7d", "--dry-run"];
    let files = "They will not be in the files that the history is exported to.";
    for arguments in [&arguments[..], &dry] {
        let (_, said) = ended(&database, arguments).await;
        assert!(said.contains("30 jobs"), "{said}");
        assert!(!said.contains(files), "{said}");
    }
    database
        .execute("insert into ringback.exporter (host, folder) values ('a', '/files')")
        .await;
    for (arguments, begin) in [
        (&arguments[..], "Delete 30 jobs"),
        (&dry, "30 jobs would be"),
    ] {
        let (_, said) = ended(&database, arguments).await;
        assert!(said.contains(begin) && said.contains(files), "{said}");
    }
    let (_, said) = ended(&database, &["--older-than", "9d", "--dry-run"]).await;
    assert!(!said.contains(files), "{said}");
    assert_eq!(database.count("ringback.job_history").await, 30);
}

#[tokio::test]
async fn who_has_to_wait_for_somebody_else_is_told_so() {
    let database = TestDatabase::new().await;
    database.past(8, 30).await;
    let mut other = database.pool.acquire().await.unwrap();
    other
        .execute("select pg_advisory_lock(hashtextextended('ringback.expire', 0))")
        .await
        .unwrap();
    let arguments = ["jobs", "prune", "--older-than", "7d", "--yes"];
    let mut prune = Program::start(&database, &arguments);
    prune.printed("somebody else").await;
    assert_eq!(database.count("ringback.job_history").await, 30);
    other
        .execute("select pg_advisory_unlock_all()")
        .await
        .unwrap();
    assert!(prune.ended().await.success(), "{}", prune.output());
    let said = prune.output();
    assert!(said.contains("30 jobs deleted"), "{said}");
    assert_eq!(said.matches("somebody else").count(), 1, "{said}");
}

#[tokio::test]
async fn who_works_meanwhile_is_not_held_up() {
    let database = TestDatabase::new().await;
    for days_ago in [1, 2] {
        database.past(days_ago, 12_000).await;
    }
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    database.note_batches(&["job_history"], "0.02").await;
    let tasks = ["--task", "even"];
    let arguments = [
        &["jobs", "prune", "--older-than", "2h", "--yes"],
        &tasks[..],
    ]
    .concat();
    let mut prune = Program::start(&database, &arguments);
    let mut heard = 0;
    while prune.runs() {
        client
            .submit_with("translate", json!({"content": "hello"}))
            .await;
        assert_eq!(client.next().await.action(), "job_result");
        heard += 1;
    }
    assert!(prune.ended().await.success(), "{}", prune.output());
    assert!(heard > 10, "only {heard} results");
    assert_eq!(
        database
            .count("ringback.job_history where task = 'even'")
            .await,
        0
    );
    let of_ours = "ringback.job_history where task = 'translate' and state = 'succeeded'";
    assert_eq!(database.count(of_ours).await, heard);
    assert_eq!(database.count("ringback.job_history").await, 12_000 + heard);
    let batches = database.batches("job_history").await;
    assert!(batches[0] <= BATCH, "{batches:?}");
    assert!(batches.len() >= 12, "{batches:?}");
}

#[tokio::test]
async fn whoever_interrupts_it_can_go_on_later() {
    let database = TestDatabase::new().await;
    database.past(2, 8_000).await;
    // Each batch takes its time.
    database.note_batches(&["job_history"], "0.3").await;
    let arguments = [
        "jobs",
        "prune",
        "--older-than",
        "3h",
        "--state",
        "succeeded",
    ];
    let arguments = [&arguments[..], &["--yes"]].concat();
    let mut prune = Program::start(&database, &arguments);
    eventually("some should be gone", async || {
        database.count("ringback.job_history").await < 8_000
    })
    .await;
    prune.signal("INT");
    assert_eq!(prune.ended().await.code(), Some(130));
    let said = prune.output();
    assert!(said.contains("deleted so far"), "{said}");
    // The server may still be at the last batch.
    eventually("it should be quiet", async || {
        database
            .count("pg_stat_activity where application_name = 'ringback prune' and datname = current_database()")
            .await
            == 0
    })
    .await;
    let left = database
        .count("ringback.job_history where state = 'succeeded'")
        .await;
    assert!((1..5_333).contains(&left), "{left}");

    let mut again = Program::start(&database, &arguments);
    assert!(again.ended().await.success(), "{}", again.output());
    assert!(
        again.output().contains(&format!("{left} jobs deleted")),
        "{}",
        again.output()
    );
    assert_eq!(database.count("ringback.job_history").await, 2_667);
    assert_eq!(database.count("ringback.job_attempt").await, 2_667);
}
