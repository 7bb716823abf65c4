//! Looking at jobs from the command line.

use serde_json::{Value, json};

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
