//! Tasks that are commands, with processes that are kept for many jobs.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::own_commands::Running;
use crate::support::{Scripts, eventually, gone};

/// Does what the input says, and answers with who it is and how many jobs it has had.
const KEPT: &str = r#"#!/usr/bin/env python3
import json, os, subprocess, sys, time

jobs = 0
print("starting up", flush=True)
open("pids", "a").write(f"{os.getpid()}\n")

def say(**what):
    print(json.dumps({"job": request["job"], **what}), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    jobs += 1
    what = request["input"]
    if what == "die" and request["attempt"] == 1:
        print("this is the end", file=sys.stderr, flush=True)
        sys.exit(7)
    if what == "hold":
        open("holding", "a").write(f"{os.getpid()}\n")
        time.sleep(60)
    if what == "tell":
        say(percent=20, note="begun")
        while not os.path.exists("go"): time.sleep(0.02)
        for piece in range(50):
            say(chunk=f"{piece} ")
    if what == "refuse":
        say(error="it cannot be", retry=False, code="impossible")
        continue
    if what == "later" and request["attempt"] < 3:
        say(error="not yet", after=0.01, code="not_yet")
        continue
    if what == "large":
        say(result="x" * 200_000)
        continue
    if what == "misspeak":
        print("not a number", file=sys.stderr, flush=True)
        print('{"result": NaN}', flush=True)
        continue
    if what == "nameless":
        print('{"result": 5}', flush=True)
        continue
    if what == "stray" and request["attempt"] == 1:
        say(job="another", result="of another")
        continue
    if what == "half":
        print("loading... ", end="")
    if what == "twice":
        say(result="right")
        say(result="once more")
        open("said", "w").write("\n")
        continue
    if what == "last":
        print(json.dumps({"job": request["job"], "result": "the last"}), end="", flush=True)
        sys.exit(3)
    if what == "raise":
        subprocess.Popen(["sh", "-c", "trap '' TERM; echo $$ >> children; exec sleep 600"])
        while not os.path.exists("children"): time.sleep(0.02)
    say(result={"pid": os.getpid(), "jobs": jobs, "attempt": request["attempt"],
        "deadline": request["deadline"], "task": os.environ["RINGBACK_TASK"],
        "secret": "DATABASE_URL" in os.environ})
    if what == "leave":
        # One job more is sent to it, and never done.
        sys.stdin.readline()
        os._exit(3)
    if what == "mute":
        os.close(1)
        time.sleep(60)

if os.path.exists("talk"):
    sys.stderr.write("x" * 1_000_000)
    sys.stdout.write("x" * 1_000_000)
if os.path.exists("linger"):
    time.sleep(1)
open("finished", "a").write(f"{os.getpid()}\n")
"#;

async fn kept(settings: &str) -> Running {
    let tasks = format!("[tasks.kept]\ncommand = [\"./kept\"]\nretry_delay = \"10ms\"\n{settings}");
    Running::new(Scripts::new(&tasks).with("kept", KEPT)).await
}

impl Running {
    /// What a process answers about itself.
    async fn about(&mut self, input: &str) -> Value {
        self.submit("kept", json!(input)).await;
        let message = self.client.next().await;
        assert_eq!(message.action(), "job_result", "{message:?}");
        let stored: Value =
            sqlx::query_scalar("select result from ringback.job_history where id = $1::text::uuid")
                .bind(message.job_id())
                .fetch_one(&self.database.pool)
                .await
                .unwrap();
        stored
    }
}

#[tokio::test]
async fn many_jobs_share_few_processes() {
    let mut running = kept("pool = 2").await;
    for number in 0..60 {
        running.client.ask("kept", &number.to_string()).await;
    }
    let mut results = 0;
    while results < 60 {
        let message = running.client.next().await;
        match message.action() {
            "job_queued" => {}
            "job_result" => results += 1,
            other => panic!("an unexpected {other}: {message:?}"),
        }
    }
    let stored: Vec<Value> = sqlx::query_scalar("select result from ringback.job_history")
        .fetch_all(&running.database.pool)
        .await
        .unwrap();
    let pids: HashSet<i64> = stored
        .iter()
        .map(|result| result["pid"].as_i64().unwrap())
        .collect();
    assert_eq!((stored.len(), pids.len()), (60, 2), "{pids:?}");
    let jobs: HashSet<(i64, i64)> = stored
        .iter()
        .map(|it| (it["pid"].as_i64().unwrap(), it["jobs"].as_i64().unwrap()))
        .collect();
    assert_eq!(jobs.len(), 60, "each has counted its own");
    for result in &stored {
        assert_eq!(
            (&result["secret"], &result["task"], &result["deadline"]),
            (&json!(false), &json!("kept"), &Value::Null)
        );
    }
}

#[tokio::test]
async fn what_a_process_says_amid_a_job_reaches_who_listens_and_its_errors_say_what_follows() {
    let mut running = kept("pool = 1\ntime_limit = \"10m\"\nmax_output = 100000").await;
    running.client.send(json!({"action": "system_message", "payload": {"task_type": "kept", "input": "tell", "stream": true}})).await;
    assert_eq!(running.client.next().await.action(), "job_queued");
    let progress = running.client.next().await;
    assert_eq!(
        (progress.action(), &progress.0["payload"]),
        ("job_progress", &json!({"percent": 20.0, "note": "begun"}))
    );
    std::fs::write(running.scripts.path("go"), "").unwrap();
    let mut text = String::new();
    let result = loop {
        let message = running.client.next().await;
        match message.action() {
            "job_chunk" => text.push_str(message.text()),
            "job_progress" => {}
            _ => break message,
        }
    };
    assert_eq!(result.action(), "job_result");
    let pieces: String = (0..50).map(|number| format!("{number} ")).collect();
    assert_eq!(text, pieces);
    let (code, attempts, words) = running.failure("kept", json!("refuse")).await;
    assert_eq!(
        (code.as_str(), attempts, words.as_str()),
        ("impossible", 1, "it cannot be")
    );
    let about = running.about("later").await;
    assert_eq!((&about["attempt"], &about["jobs"]), (&json!(3), &json!(5)));
    assert!(about["deadline"].as_i64().unwrap() > 1_700_000_000);
    let (code, attempts, words) = running.failure("kept", json!("large")).await;
    assert_eq!(
        (code.as_str(), attempts),
        ("result_too_large", 1),
        "{words}"
    );
    // The rest of that line is not taken for anything.
    assert_eq!(running.about("").await["jobs"], 1);
    let (code, attempts, words) = running.failure("kept", json!("misspeak")).await;
    assert_eq!((code.as_str(), attempts), ("result_invalid", 1), "{words}");
    assert!(words.ends_with(": not a number"), "{words}");
    assert_eq!(running.about("").await["jobs"], 1);
}

#[tokio::test]
async fn a_process_that_dies_amid_a_job_is_followed_by_another() {
    let mut running = kept("pool = 1").await;
    let first = running.about("").await;
    let second = running.about("die").await;
    assert_eq!(
        (&second["attempt"], &second["jobs"]),
        (&json!(2), &json!(1))
    );
    assert_ne!(first["pid"], second["pid"]);
    let error: (String, String) =
        sqlx::query_as("select error_code, error from ringback.attempts where outcome = 'failed'")
            .fetch_one(&running.database.pool)
            .await
            .unwrap();
    assert_eq!(
        error,
        (
            "exit_7".to_owned(),
            "the process ended amid the job: exit code 7: this is the end".to_owned()
        )
    );
    // One that dies between two jobs costs none of them an attempt.
    let pid = second["pid"].to_string();
    crate::support::send("KILL", &pid);
    gone(&[pid]).await;
    let third = running.about("").await;
    assert_eq!((&third["attempt"], &third["jobs"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_process_is_replaced_after_so_many_jobs() {
    let mut running = kept("pool = 1\njobs_per_process = 3").await;
    let mut pids = Vec::new();
    for number in 0..7 {
        let about = running.about("").await;
        assert_eq!(about["jobs"], number % 3 + 1);
        pids.push(about["pid"].to_string());
    }
    assert!(
        pids[0] == pids[2] && pids[2] != pids[3] && pids[3] == pids[5] && pids[5] != pids[6],
        "{pids:?}"
    );
    gone(&[pids[0].clone(), pids[3].clone()]).await;
}

#[tokio::test]
async fn a_process_whose_job_is_cancelled_is_ended_and_not_used_again() {
    let mut running = kept("pool = 1\ngrace = \"300ms\"").await;
    let first = running.about("").await["pid"].to_string();
    let job = running.submit("kept", json!("hold")).await;
    assert_eq!(
        running.scripts.written("holding", 1).await,
        std::slice::from_ref(&first)
    );
    running.client.ask_to_cancel(&job).await;
    assert_eq!(running.client.next().await.action(), "job_cancelling");
    assert_eq!(running.client.next().await.action(), "job_cancelled");
    gone(&[first]).await;
    assert_eq!(running.about("").await["jobs"], 1);
}

#[tokio::test]
async fn a_process_that_answers_twice_does_not_answer_the_next_job() {
    let mut running = kept("pool = 1").await;
    assert_eq!(running.result("kept", json!("twice")).await, json!("right"));
    running.scripts.written("said", 1).await;
    assert_eq!(running.about("").await["jobs"], 1);
    running.worker.printed("a job that it did not have").await;
}

#[tokio::test]
async fn a_line_that_is_not_about_the_job_that_is_there_ends_it() {
    let mut running = kept("pool = 1").await;
    let (code, attempts, text) = running.failure("kept", json!("nameless")).await;
    assert_eq!((code.as_str(), attempts), ("result_invalid", 1));
    assert!(text.contains("says no job"), "{text}");
    let about = running.about("stray").await;
    assert_eq!((&about["attempt"], &about["jobs"]), (&json!(2), &json!(1)));
    let (code, attempts, text) = running.failure("kept", json!("half")).await;
    assert_eq!((code.as_str(), attempts), ("result_invalid", 1));
    assert!(text.contains("something before it"), "{text}");
    running.worker.printed("starting up").await;
}

#[tokio::test]
async fn a_job_that_a_process_has_never_heard_of_is_done_by_another_in_the_same_attempt() {
    let mut running = kept("pool = 1\ngrace = \"300ms\"").await;
    for last in ["leave", "mute"] {
        let first = running.about(last).await;
        let second = running.about("").await;
        assert_eq!(
            (&second["attempt"], &second["jobs"]),
            (&json!(1), &json!(1)),
            "after {last}"
        );
        assert_ne!(first["pid"], second["pid"]);
        crate::support::send("KILL", &second["pid"].to_string());
    }
    assert_eq!(
        running.result("kept", json!("last")).await,
        json!("the last")
    );
    assert_eq!(running.about("").await["attempt"], 1);
}

#[tokio::test]
async fn a_process_that_ends_between_two_jobs_leaves_nothing_behind() {
    let mut running = kept("pool = 1").await;
    let pid = running.about("raise").await["pid"].to_string();
    let children = running.scripts.written("children", 1).await;
    crate::support::send("KILL", &pid);
    gone(&children).await;
    eventually("it should not be a zombie", async || {
        let status = std::process::Command::new("ps").args(["-p", &pid]).output();
        !status.unwrap().status.success()
    })
    .await;
}

#[tokio::test]
async fn a_process_that_says_much_at_its_end_does_not_wait_for_anybody() {
    let mut running = kept("pool = 1\njobs_per_process = 1\ngrace = \"25s\"").await;
    std::fs::write(running.scripts.path("talk"), "").unwrap();
    running.about("").await;
    let begun = std::time::Instant::now();
    assert_eq!(running.about("").await["jobs"], 1);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    running.scripts.written("finished", 1).await;
}

#[tokio::test]
async fn processes_that_wait_for_a_job_end_by_themselves_when_their_worker_is_stopped() {
    let mut running = kept("pool = 1\ngrace = \"20s\"").await;
    let pid = running.about("").await["pid"].to_string();
    std::fs::write(running.scripts.path("linger"), "").unwrap();
    running.worker.signal("TERM");
    assert!(running.worker.ended().await.success());
    assert!(!crate::support::lives(&pid));
    let finished = std::fs::read_to_string(running.scripts.path("finished")).unwrap();
    assert_eq!(finished.trim(), pid);
}

#[tokio::test]
async fn a_process_that_answers_before_it_has_read_everything_has_no_other_job() {
    let tasks = "[tasks.hasty]\ncommand = [\"./hasty\"]\npool = 1\ngrace = \"100ms\"";
    let script = r#"#!/bin/sh
job=$(head -c 50 | cut -d '"' -f 4)
echo "{\"job\": \"$job\", \"result\": \"answered\"}"
sleep 60
"#;
    let mut running = Running::new(Scripts::new(tasks).with("hasty", script)).await;
    for _ in 0..2 {
        // More than a pipe holds.
        let input = json!(["x".repeat(60_000), "x".repeat(60_000)]);
        assert_eq!(running.result("hasty", input).await, json!("answered"));
    }
}

#[tokio::test]
async fn no_process_outlives_a_worker_that_is_killed() {
    let mut running = kept("pool = 2").await;
    running.about("").await;
    running.submit("kept", json!("hold")).await;
    running.submit("kept", json!("hold")).await;
    running.scripts.written("holding", 2).await;
    let pids = running.scripts.written("pids", 2).await;
    running.worker.kill();
    gone(&pids).await;
}
