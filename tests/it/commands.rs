//! What the command line does for people and for scripts: results, exit statuses, questions, and what a terminal shows.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ringback::ids::JobId;
use ringback::queue::cancel::cancel_all;
use ringback::queue::{Actor, Cancelled};
use ringback::wire::JobState;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Program, TestDatabase, eventually};

/// A command, as a script runs it.
fn ringback(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command
        .args(arguments)
        .env("DATABASE_URL", &database.url)
        .stdin(Stdio::null());
    command
}

fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    ringback(database, arguments).output().unwrap()
}

/// The same with something to read.
fn run_with(database: &TestDatabase, arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut command = ringback(database, arguments);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// The same on a terminal, whose questions are answered.
fn run_on_a_terminal(database: &TestDatabase, arguments: &[&str], answer: &str) -> Output {
    let mut command = Command::new("python3");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/support/terminal.py"
        ))
        .arg(answer)
        .arg(env!("CARGO_BIN_EXE_ringback"))
        .args(arguments)
        .env("DATABASE_URL", &database.url)
        .env("TERM", "xterm");
    command.output().unwrap()
}

/// What was printed to its output and beside it, and how it ended.
fn parts(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap(),
    )
}

fn submitted(database: &TestDatabase, arguments: &[&str]) -> String {
    let (id, beside, code) = parts(&run(database, &[&["submit"], arguments].concat()));
    assert_eq!((beside.as_str(), code), ("", 0));
    id.trim_end().to_owned()
}

#[tokio::test]
async fn a_job_is_submitted_and_its_result_printed_and_nothing_else() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let _gateway = Program::serve(&database, &[]).await;
    let waited = run(&database, &["submit", "translate", "hello", "--wait"]);
    assert_eq!(
        parts(&waited),
        (
            "🌍 Translated: 'hello' → 'hola'\n".to_owned(),
            String::new(),
            0
        )
    );
    let id = submitted(&database, &["translate", "world"]);
    let waited = run(&database, &["jobs", "wait", &id]);
    assert_eq!(
        parts(&waited),
        (
            "🌍 Translated: 'world' → 'mundo'\n".to_owned(),
            String::new(),
            0
        )
    );
    let waited = run_with(
        &database,
        &["submit", "translate", "-", "--wait", "--json"],
        "good morning",
    );
    let (job, beside, code) = parts(&waited);
    assert_eq!((beside.as_str(), code), ("", 0));
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(
        job["result"],
        "🌍 Translated: 'good morning' → 'buenos días'"
    );
    let (text, beside, code) = parts(&run(
        &database,
        &["submit", "generate", "tea", "--wait", "--stream"],
    ));
    assert!(
        text.starts_with("🤖 AI Response to 'tea':\n") && text.ends_with("application.\n"),
        "{text}"
    );
    assert_eq!((beside.as_str(), code), ("", 0));
    let printed = run(&database, &["submit", "translate", "a", "--json"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(printed["job_id"].is_string());
}

/// Until somebody looks at a job again and again.
async fn is_waiting(database: &TestDatabase) {
    eventually("it should wait", async || {
        let looks =
            "pg_stat_activity where datname = current_database() and application_name = 'ringback'
            and query like '-- The jobs $1, live or finished%' and state = 'idle'";
        database.count(looks).await > 0
    })
    .await;
}

#[tokio::test]
async fn the_exit_status_says_what_became_of_the_job() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let nobody = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
    let (out, beside, code) = parts(&run(&database, &["submit", "fail", "x", "--wait"]));
    assert_eq!((out.as_str(), code), ("", 3));
    assert!(
        beside.contains("failed (task_failed): as it was asked to"),
        "{beside}"
    );
    let later = submitted(&database, &["count", "x", "--delay", "1h"]);
    let (_, beside, code) = parts(&run(
        &database,
        &["jobs", "wait", &later, "--timeout", "300ms"],
    ));
    assert!(
        code == 5 && beside.contains("not over after 300ms (scheduled)"),
        "{code} {beside}"
    );
    assert_eq!(parts(&run(&database, &["jobs", "cancel", &later])).2, 0);
    assert_eq!(parts(&run(&database, &["jobs", "wait", &later])).2, 4);
    assert_eq!(parts(&run(&database, &["jobs", "cancel", &later])).2, 6);
    assert_eq!(parts(&run(&database, &["jobs", "retry", nobody])).2, 6);
    assert_eq!(parts(&run(&database, &["jobs", "wait", nobody])).2, 6);
    assert_eq!(parts(&run(&database, &["jobs", "show", nobody])).2, 6);
    for wrong in [
        &["submit", "count"][..],
        &["submit", "count", "x", "--priority", "99999"],
        &["submit", "count", "x", "--run-at", "tomorrow"],
        &["submit", "count", "--input", "{"],
        &["submit", "unknown", "x"],
        &["jobs", "cancel"],
        &["jobs", "cancel", nobody, "--task", "count"],
        &["jobs", "list", "--since", "yesterday"],
    ] {
        let (out, beside, code) = parts(&run(&database, wrong));
        assert_eq!((out.as_str(), code), ("", 2), "{wrong:?}");
        assert!(!beside.is_empty(), "{wrong:?}");
    }
    let nowhere = Command::new(env!("CARGO_BIN_EXE_ringback"))
        .args(["jobs", "stats"])
        .env("DATABASE_URL", "postgres://ringback@127.0.0.1:1/nothing")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(1));

    let held = submitted(&database, &["hold", "60"]);
    let mut waiting = Program::start(&database, &["jobs", "wait", &held]);
    is_waiting(&database).await;
    waiting.signal("INT");
    assert_eq!(waiting.ended().await.code(), Some(130));
}

#[tokio::test]
async fn a_wait_outlives_the_database() {
    let mut database = TestDatabase::on_its_own_server().await;
    let worker = Program::unruly(&database).await;
    let held = submitted(&database, &["hold", "3"]);
    let mut waiting = Program::start(&database, &["jobs", "wait", &held]);
    is_waiting(&database).await;
    database.end_server("KILL").await;
    database.start_server().await;
    let ended = waiting.ended_within(Duration::from_secs(60)).await;
    assert!(ended.success(), "{}", waiting.output());
    assert_eq!(waiting.output(), "held");
    drop(worker);
}

#[tokio::test]
async fn many_jobs_are_changed_after_their_number_was_said() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    for _ in 0..3 {
        submitted(&database, &["translate", "x", "--delay", "1h"]);
    }
    let kept = submitted(&database, &["analyze", "x", "--delay", "1h"]);
    let filter = ["jobs", "cancel", "--task", "translate", "--since", "1h"];
    // Where there is nobody to ask, nothing is done.
    let (out, beside, code) = parts(&run(&database, &filter));
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(
        beside.contains("Cancel 3 jobs (task translate, since ") && beside.contains("--yes"),
        "{beside}"
    );
    let (said, _, code) = parts(&run_on_a_terminal(&database, &filter, "no"));
    assert!(
        code == 6 && said.contains("[y/N]") && said.contains("nothing was changed"),
        "{said}"
    );
    assert_eq!(database.count("ringback.job").await, 4);
    let (said, _, code) = parts(&run_on_a_terminal(&database, &filter, "y"));
    assert!(
        code == 0 && said.contains("3 cancelled, 0 cancelling, 0 changed meanwhile"),
        "{said}"
    );
    assert_eq!(database.count("ringback.job").await, 1);
    let again = parts(&run(
        &database,
        &["jobs", "retry", "--state", "cancelled", "--yes"],
    ));
    assert_eq!(
        again.0,
        "3 retried, 0 due now, 0 retried before, 0 not to retry\n"
    );
    let again = parts(&run(
        &database,
        &["jobs", "retry", "--state", "cancelled", "--yes"],
    ));
    assert_eq!(
        again.0,
        "0 retried, 0 due now, 3 retried before, 0 not to retry\n"
    );
    assert_eq!(
        database
            .count("ringback.job where state = 'ready' and retry_of is not null")
            .await,
        3
    );
    let none = parts(&run(&database, &["jobs", "cancel", "--queue", "other"]));
    assert_eq!(
        (none.0.as_str(), none.2),
        ("0 cancelled, 0 cancelling, 0 changed meanwhile\n", 0)
    );

    // More than one batch and more than one page of ids.
    database
        .execute(
            "select ringback.enqueue('analyze', content => 'x') from generate_series(1, 12000)",
        )
        .await;
    let all = parts(&run(
        &database,
        &["jobs", "cancel", "--task", "analyze", "--yes"],
    ));
    assert_eq!(
        all.0,
        "12001 cancelled, 0 cancelling, 0 changed meanwhile\n"
    );
    let one = parts(&run(&database, &["jobs", "show", &kept])).0;
    assert!(one.contains("cancelled"), "{one}");
}

#[tokio::test]
async fn a_terminal_shows_how_far_a_job_is_and_obeys_nothing_in_it() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let (said, _, code) = parts(&run_on_a_terminal(
        &database,
        &["submit", "busy", "x", "--wait"],
        "",
    ));
    assert!(code == 0 && said.contains("% running busy"), "{said:?}");
    let _others = Program::worker(&database, &[]).await;
    let asked = ["submit", "translate", "red \u{1b}[31m \u{9b}1m", "--wait"];
    let (said, _, code) = parts(&run_on_a_terminal(&database, &asked, ""));
    let result = said
        .lines()
        .rev()
        .find(|line| line.contains("Translated"))
        .unwrap();
    let result = &result[result.find('🌍').unwrap()..];
    assert!(
        code == 0 && result.contains("red \\u{1b}[31m \\u{9b}1m"),
        "{said:?}"
    );
    assert!(
        !result.contains('\u{1b}') && !result.contains('\u{9b}'),
        "{said:?}"
    );
    // In a pipe it is what it is.
    let (piped, beside, _) = parts(&run(&database, &asked));
    assert!(piped.contains("red \u{1b}[31m \u{9b}1m"), "{piped:?}");
    assert_eq!(beside, "");
    // JSON is the same JSON, and as harmless.
    let (listed, _, _) = parts(&run(&database, &["jobs", "list", "--json", "--limit", "1"]));
    assert!(!listed.contains('\u{9b}'), "{listed:?}");
    let job: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(job["input"], "red \u{1b}[31m \u{9b}1m");
}

#[tokio::test]
async fn what_changes_while_somebody_is_asked_is_left_alone() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    let jobs: Vec<JobId> = [(); 2]
        .map(|()| submitted(&database, &["translate", "x", "--delay", "1h"]))
        .iter()
        .map(|id| JobId(Uuid::parse_str(id).unwrap()))
        .collect();
    let due = format!("select ringback.retry('{}')", jobs[0]);
    database.execute(&due).await;
    let ours = database.database();
    let mut connection = ours.pool().acquire().await.unwrap();
    let states = [JobState::Scheduled];
    let became = cancel_all(&mut connection, &jobs, &Actor::Operator, &states).await;
    assert_eq!(became.unwrap(), [(jobs[1], Cancelled::Ended)]);
    assert_eq!(
        database.count("ringback.job where state = 'ready'").await,
        1
    );
}

#[tokio::test]
async fn what_nobody_reads_is_not_written() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    database.fill_history().await;
    let pipe = |verb: &str| {
        let program = env!("CARGO_BIN_EXE_ringback");
        let line = format!("{program} {verb} | head -n 1; echo ${{PIPESTATUS[0]}}");
        let mut command = Command::new("bash");
        command
            .args(["-c", &line])
            .env("DATABASE_URL", &database.url);
        parts(&command.output().unwrap())
    };
    let (said, beside, _) = pipe("jobs list --json --limit 50000");
    assert!(said.ends_with("\n141\n"), "{said}");
    assert_eq!(beside, "");
    for contract in ["openapi", "asyncapi"] {
        assert_eq!(pipe(contract), ("{\n0\n".to_owned(), String::new(), 0));
    }
}
