//! How commands end: when they are told to, with everything that they have started, before anything follows them.

use serde_json::json;

use crate::faults::{running, running_elsewhere};
use crate::own_commands::Running;
use crate::support::{Client, Scripts, TestDatabase, gone, lives};

/// Says in `pids` who it is, and whom it has started; that one does not end when it is told to. The shell would say on
/// stderr that its `sleep` was ended, and end of that when nobody reads it any more.
const FAMILY: &str = r#"#!/bin/sh
exec 2>/dev/null
trap "$1" TERM
sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 0.1; done' &
echo $$ > leader
echo $$ >> pids
while :; do sleep 0.1; done
"#;

/// Two tasks of such a family: one ends when it is told to, and one does not.
const FAMILIES: &str = r#"
[tasks.obeys]
command = ["./family", "echo told >> told; exit 9"]
grace = "20s"

[tasks.ignores]
command = ["./family", "echo told >> told"]
grace = "300ms"

[tasks.late]
command = ["./family", "echo told >> told"]
grace = "300ms"
time_limit = "1s"
max_attempts = 1
"#;

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it_and_is_not_waited_for() {
    let scripts = Scripts::new(
        r#"
        [tasks.leaves]
        command = ["sh", "-c", "sh -c 'echo $$ >> pids; trap \"\" TERM HUP; while :; do sleep 0.1; done' & until [ -s pids ]; do sleep 0.02; done; echo left"]
        [tasks.escapes]
        command = ["./escapes"]
        "#,
    )
    .with(
        "escapes",
        r#"#!/usr/bin/env python3
import os, time
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    open("escaped", "w").write(f"{os.getpid()}\n")
    os.write(told, b"x")
    for _ in range(600):
        if os.path.exists("enough"): break
        time.sleep(0.05)
    os._exit(0)
os.read(ready, 1)
print("away", flush=True)
"#,
    );
    let mut running = Running::new(scripts).await;
    assert_eq!(running.result("leaves", json!("")).await, json!("left"));
    gone(&running.scripts.written("pids", 1).await).await;
    // It has a group of its own, and still holds the other end of every pipe.
    assert_eq!(running.result("escapes", json!("")).await, json!("away"));
    let escaped = running.scripts.written("escaped", 1).await;
    assert!(lives(&escaped[0]));
    std::fs::write(running.scripts.path("enough"), "").unwrap();
    gone(&escaped).await;
}

#[tokio::test]
async fn a_command_is_told_that_its_job_is_cancelled_and_killed_when_it_does_not_end() {
    for task in ["obeys", "ignores"] {
        let mut running = Running::new(Scripts::new(FAMILIES).with("family", FAMILY)).await;
        let job = running.submit(task, json!("")).await;
        let family = running.scripts.written("pids", 2).await;
        running.client.ask_to_cancel(&job).await;
        assert_eq!(running.client.next().await.action(), "job_cancelling");
        assert_eq!(running.client.next().await.action(), "job_cancelled");
        gone(&family).await;
        // Once, not again when the execution was dropped.
        assert_eq!(running.scripts.written("told", 1).await, ["told"], "{task}");
    }
}

#[tokio::test]
async fn the_place_of_a_command_is_taken_until_it_is_gone() {
    let scripts = Scripts::new(
        r#"
        [tasks.ignores]
        command = ["./family", ":"]
        grace = "6s"
        [tasks.looks]
        command = ["sh", "-c", "kill -s 0 $(cat leader) && echo there || echo gone"]
        "#,
    )
    .with("family", FAMILY);
    let database = TestDatabase::new().await;
    let _worker = scripts.worker(&database, &["--concurrency", "1"]).await;
    let gateway = scripts.gateway(&database).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("ignores", "").await;
    scripts.written("pids", 2).await;
    client.submit("looks", "").await;
    client.ask_to_cancel(&job).await;
    assert_eq!(client.next().await.action(), "job_cancelling");
    assert_eq!(client.next().await.action(), "job_cancelled");
    assert!(!lives(&scripts.written("leader", 1).await[0]));
    assert_eq!(client.next().await.text(), "gone");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_told_and_killed_when_it_does_not_end() {
    let mut running = Running::new(Scripts::new(FAMILIES).with("family", FAMILY)).await;
    let (code, attempts, _) = running.failure("late", json!("")).await;
    assert_eq!((code.as_str(), attempts), ("time_limit", 1));
    gone(&running.scripts.written("pids", 2).await).await;
    assert_eq!(running.scripts.written("told", 1).await, ["told"]);
}

#[tokio::test]
async fn no_command_outlives_a_worker_that_is_killed() {
    let mut first = Running::new(Scripts::new(FAMILIES).with("family", FAMILY)).await;
    for _ in 0..2 {
        first.submit("ignores", json!("")).await;
    }
    let family = first.scripts.written("pids", 4).await;
    first.worker.kill();
    gone(&family).await;
    assert_eq!(first.scripts.written("told", 2).await, ["told", "told"]);
    let _second = first.scripts.worker(&first.database, &[]).await;
    running_elsewhere(&first.database, 2).await;
    assert_eq!(first.scripts.written("pids", 8).await.len(), 8);
}

#[tokio::test]
async fn no_command_outlives_a_worker_that_is_stopped() {
    let database = TestDatabase::new().await;
    let scripts = Scripts::new(FAMILIES).with("family", FAMILY);
    let mut worker = scripts.worker(&database, &["--shutdown-grace", "0s"]).await;
    let gateway = scripts.gateway(&database).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("ignores", "").await;
    let family = scripts.written("pids", 2).await;
    running(&database, 1).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    gone(&family).await;
    assert_eq!(scripts.written("told", 1).await, ["told"]);
    assert_eq!(
        database
            .count("ringback.job where state = 'ready' and crashes = 0")
            .await,
        1
    );
}

#[tokio::test]
async fn a_command_that_ends_well_when_it_is_told_to_has_not_done_its_job() {
    let scripts = Scripts::new(
        r#"
        [tasks.polite]
        command = ["./polite"]
        [tasks.late]
        command = ["./polite"]
        time_limit = "500ms"
        max_attempts = 1
        "#,
    )
    .with(
        "polite",
        r#"#!/bin/sh
trap 'echo partial; exit 0' TERM
echo $$ >> pids
while :; do sleep 0.05; done
"#,
    );
    let mut running = Running::new(scripts).await;
    let job = running.submit("polite", json!("")).await;
    running.scripts.written("pids", 1).await;
    running.client.ask_to_cancel(&job).await;
    assert_eq!(running.client.next().await.action(), "job_cancelling");
    assert_eq!(running.client.next().await.action(), "job_cancelled");
    let (code, _, _) = running.failure("late", json!("")).await;
    assert_eq!(code, "time_limit");
}

#[tokio::test]
async fn no_attempt_runs_beside_one_that_was_late() {
    let scripts = Scripts::new(
        r#"
        [tasks.alone]
        command = ["./alone"]
        time_limit = "500ms"
        retry_delay = "10ms"
        max_attempts = 2
        concurrency = 1
        "#,
    )
    .with(
        "alone",
        r#"#!/bin/sh
mkdir busy || echo "$RINGBACK_ATTEMPT" >> overlaps
trap 'sleep 1; echo last words >&2; rmdir busy; exit 1' TERM
while :; do sleep 0.05; done
"#,
    );
    let mut running = Running::new(scripts).await;
    let (code, attempts, text) = running.failure("alone", json!("")).await;
    assert_eq!((code.as_str(), attempts), ("time_limit", 2), "{text}");
    assert!(
        text.starts_with("the task took longer than 500ms: exit code 1: ")
            && text.ends_with("last words"),
        "{text}"
    );
    assert!(!running.scripts.path("overlaps").exists());
    let first = running.attempts().await.remove(0);
    assert_eq!(first.1.as_deref(), Some("time_limit"));
    assert!(first.2.unwrap().ends_with("last words"));
}

#[tokio::test]
async fn a_worker_that_is_stopped_waits_until_its_commands_have_ended() {
    let scripts = Scripts::new("[tasks.tidies]\ncommand = [\"./tidies\"]").with(
        "tidies",
        r#"#!/bin/sh
trap 'sleep 1; echo tidied > tidied; exit 1' TERM
echo $$ >> pids
while :; do sleep 0.05; done
"#,
    );
    let database = TestDatabase::new().await;
    let mut worker = scripts.worker(&database, &["--shutdown-grace", "0s"]).await;
    let gateway = scripts.gateway(&database).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("tidies", "").await;
    let pids = scripts.written("pids", 1).await;
    running(&database, 1).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    assert!(scripts.path("tidied").exists() && !lives(&pids[0]));
    assert_eq!(
        database
            .count("ringback.job where state = 'ready' and crashes = 0")
            .await,
        1
    );
}
