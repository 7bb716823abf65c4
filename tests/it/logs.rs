//! The log of a process that runs for long, as JSON.

use std::process::Command;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::support::{Api, Program, Scripts, TestDatabase};

/// What a process has written to standard error so far, which is all that these print.
fn lines(program: &Program) -> Vec<Map<String, Value>> {
    let output = program.output();
    let lines = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.collect()
}

#[tokio::test]
async fn every_line_is_an_object_that_says_when_how_bad_and_what() {
    let scripts = Scripts::new("[tasks.murmur]\ncommand = [\"./murmur\"]")
        .with("murmur", "#!/bin/sh\ncat\necho 'a \"word\"' >&2\n");
    let database = TestDatabase::new().await;
    let gateway = scripts.gateway(&database).await;
    let tasks = scripts.path("tasks.toml");
    let mut worker = Program::spawn(
        Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(["worker", "--tasks", tasks.to_str().unwrap()])
            .env("DATABASE_URL", &database.url)
            .env("RINGBACK_LOG_FORMAT", "json")
            .env("RUST_LOG", "info,ringback=debug"),
    );
    worker.printed("\"working\"").await;
    let api = Api::of(&gateway);
    let job = api.submit("murmur", "hello").await;
    assert_eq!(api.finished(&job).await["result"], "hello");
    worker.printed("has said something").await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());

    let lines = lines(&worker);
    for line in &lines {
        let text = |field: &str| line[field].as_str().unwrap_or_else(|| panic!("{line:?}"));
        assert!(text("timestamp").parse::<Timestamp>().is_ok(), "{line:?}");
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG"].contains(&text("level")),
            "{line:?}"
        );
        assert!(!text("message").is_empty(), "{line:?}");
    }
    let find = |message: &str| {
        let has = |line: &&Map<String, Value>| line["message"] == message;
        lines
            .iter()
            .find(has)
            .unwrap_or_else(|| panic!("{message}: {lines:?}"))
    };
    assert_eq!(find("working")["concurrency"], 256);
    let murmured = find("a command that succeeded has said something");
    assert!(
        murmured["stderr"].as_str().unwrap().contains("word"),
        "{murmured:?}"
    );
    let span = &murmured["span"];
    assert_eq!(
        (
            &span["name"],
            &span["job.id"],
            &span["task.name"],
            &span["job.attempt"]
        ),
        (&json!("job"), &json!(job), &json!("murmur"), &json!(1)),
        "{murmured:?}"
    );
}

#[tokio::test]
async fn a_panic_is_a_line_like_any_other() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly_as(&database, "RINGBACK_LOG_FORMAT", "json").await;
    database
        .execute("select ringback.enqueue('panic', content => '')")
        .await;
    worker.printed("as it was asked to").await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    let lines = lines(&worker);
    let panic = lines.iter().find(|line| line["level"] == "ERROR");
    let panic = panic.unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(panic["message"], "panicked: as it was asked to");
    assert!(
        panic["location"].as_str().unwrap().contains("unruly.rs"),
        "{panic:?}"
    );
    assert_eq!(panic["span"]["task.name"], "panic", "{panic:?}");
}
