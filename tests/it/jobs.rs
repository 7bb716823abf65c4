//! Looking at jobs from the command line.

use ringback::queue::jobs::{self, Filter};
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};

use crate::support::{Client, Program, TestDatabase};

/// What a verb prints, once it has ended well.
async fn printed(database: &TestDatabase, arguments: &[&str]) -> String {
    let mut program = Program::start(database, arguments);
    let status = program.ended().await;
    let output = program.output();
    assert!(status.success(), "{arguments:?}: {output}");
    output
}

fn ids(printed: &str) -> Vec<String> {
    let jobs = printed.lines().map(|line| {
        let job: Value = serde_json::from_str(line).unwrap();
        job["id"].as_str().unwrap().to_owned()
    });
    jobs.collect()
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_by_page_and_by_what_they_are() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut submitted = Vec::new();
    for number in 0..5 {
        submitted.push(client.submit("translate", &format!("text {number}")).await);
        client.next().await;
    }
    let later = client
        .submit_with("analyze", json!({"content": "later", "delay": 3600}))
        .await;
    submitted.reverse();

    let all = ids(&printed(&database, &["jobs", "list", "--json"]).await);
    assert_eq!(all[0], later);
    assert_eq!(all[1..], submitted[..]);
    let page = [
        "jobs",
        "list",
        "--json",
        "--limit",
        "2",
        "--before",
        &submitted[1],
    ];
    assert_eq!(ids(&printed(&database, &page).await), submitted[2..4]);
    for (option, value, expected) in [
        ("--state", "scheduled,running", &all[..1]),
        ("--state", "succeeded", &all[1..]),
        ("--task", "analyze", &all[..1]),
        ("--task", "nothing", &[]),
        ("--queue", "default", &all[..]),
        ("--queue", "other", &[]),
    ] {
        let found = ids(&printed(&database, &["jobs", "list", "--json", option, value]).await);
        assert_eq!(found, expected, "{option} {value}");
    }
    let table = printed(&database, &["jobs", "list"]).await;
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(
        table.lines().nth(1).unwrap().contains("scheduled"),
        "{table}"
    );

    let mut wrong = Program::start(&database, &["jobs", "list", "--state", "done"]);
    assert!(!wrong.ended().await.success());
    assert!(
        wrong.output().contains("succeeded, failed, cancelled"),
        "{}",
        wrong.output()
    );
}

#[tokio::test]
async fn a_job_is_shown_with_its_attempts_and_nothing_in_it_reaches_the_terminal() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("nothing", "red \u{1b}[31m text").await;
    client.next().await;
    let text = printed(&database, &["jobs", "show", &job]).await;
    assert!(text.contains("red \\u{1b}[31m text"), "{text}");
    assert!(text.contains("asked for as nothing"), "{text}");
    assert!(text.contains("attempt 1"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");

    let shown = printed(&database, &["jobs", "show", "--json", &job]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["job"]["id"], job.as_str());
    assert_eq!(shown["job"]["input"], "red \u{1b}[31m text");
    assert_eq!(shown["attempts"][0]["attempt"], 1);
    assert_eq!(shown["attempts"][0]["outcome"], shown["job"]["state"]);

    let other = "01912345-0000-7000-8000-000000000000";
    let mut absent = Program::start(&database, &["jobs", "show", other]);
    assert!(!absent.ended().await.success());
    assert!(absent.output().contains("is no job"), "{}", absent.output());
}

#[tokio::test]
async fn a_page_and_the_ids_of_many_jobs_are_read_along_indexes_whenever_they_were_planned() {
    let database = TestDatabase::new().await;
    let ours = database.database();
    let mut connection = ours.pool().acquire().await.unwrap();
    // Planned while there is nothing, and used when there is.
    let all = Filter::default();
    for _ in 0..10 {
        jobs::page(&mut *connection, &all, None, 50).await.unwrap();
        jobs::ids(&mut connection, &all).await.unwrap();
    }
    database.fill_history().await;
    let mut transaction = connection.begin().await.unwrap();
    let (mut before, mut seen) = (None, 0);
    for _ in 0..10 {
        let page = jobs::page(&mut *transaction, &all, before, 50)
            .await
            .unwrap();
        assert!(
            page.jobs
                .iter()
                .all(|job| before.is_none_or(|before| job.id < before))
        );
        seen += page.jobs.len();
        before = page.next;
    }
    assert_eq!(seen, 500);
    let of_pages = rows_read(&mut transaction).await;
    assert!(of_pages <= 10 * 51, "{of_pages} rows were read for 500");
    let ids = jobs::ids(&mut transaction, &all).await.unwrap();
    let of_ids = rows_read(&mut transaction).await - of_pages;
    let there = i64::try_from(ids.len()).unwrap();
    assert_eq!(there, 86_401);
    assert!(
        of_ids <= there + 100,
        "{of_ids} rows were read for {there} ids"
    );
}

/// How many rows of our tables this transaction has read.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    let query =
        "select (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint from pg_stat_xact_user_tables
        where schemaname = 'ringback'";
    sqlx::query_scalar(query)
        .fetch_one(connection)
        .await
        .unwrap()
}
