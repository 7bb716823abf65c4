//! Tasks that are commands, with a process for each job.

use serde_json::{Value, json};

use crate::support::{Client, Message, Program, Scripts, TestDatabase, eventually, gone};

/// What is needed to run some commands.
pub(crate) struct Running {
    pub(crate) database: TestDatabase,
    pub(crate) scripts: Scripts,
    pub(crate) worker: Program,
    pub(crate) client: Client,
    _gateway: Program,
}

impl Running {
    pub(crate) async fn new(scripts: Scripts) -> Self {
        let database = TestDatabase::new().await;
        let worker = scripts.worker(&database, &[]).await;
        let gateway = scripts.gateway(&database).await;
        Self {
            client: Client::connect(&gateway).await,
            database,
            scripts,
            worker,
            _gateway: gateway,
        }
    }

    /// Asks for a job; gives its id.
    pub(crate) async fn submit(&mut self, task: &str, input: Value) -> String {
        let payload = json!({"task_type": task, "input": input});
        self.client
            .send(json!({"action": "system_message", "payload": payload}))
            .await;
        let queued = self.client.next().await;
        assert_eq!(queued.action(), "job_queued", "{queued:?}");
        queued.job_id()
    }

    /// The result of a job.
    pub(crate) async fn result(&mut self, task: &str, input: Value) -> Value {
        self.submit(task, input).await;
        let result = self.client.next().await;
        assert_eq!(result.action(), "job_result", "{result:?}");
        result.0["payload"].clone()
    }

    /// The code of a job's failure, how often it was tried, and its sentence.
    pub(crate) async fn failure(&mut self, task: &str, input: Value) -> (String, i64, String) {
        self.submit(task, input).await;
        told(&self.client.next().await)
    }

    /// How the attempts of the only job have ended so far.
    pub(crate) async fn attempts(&self) -> Vec<(String, Option<String>, Option<String>)> {
        sqlx::query_as("select outcome, error_code, error from ringback.attempts order by attempt")
            .fetch_all(&self.database.pool)
            .await
            .unwrap()
    }
}

fn told(failed: &Message) -> (String, i64, String) {
    assert_eq!(failed.action(), "job_failed", "{failed:?}");
    (
        failed.0["job"]["code"].as_str().unwrap().to_owned(),
        failed.0["job"]["attempts"].as_i64().unwrap(),
        failed.text().to_owned(),
    )
}

#[tokio::test]
async fn what_a_command_prints_is_the_result_and_no_shell_reads_anything() {
    let scripts = Scripts::new(
        r#"
        [tasks.cat]
        command = ["cat"]
        [tasks.arguments]
        command = ["printf", "<%s>", "a b", "$HOME $(id)", "*", "it's \"so\"", ""]
        [tasks.json]
        command = ["cat"]
        result = "json"
        [tasks.ignores]
        command = ["echo", "nothing is read"]
        "#,
    );
    let mut running = Running::new(scripts).await;
    for text in [
        "plain",
        "",
        "'quotes' \"and\" $(id) `id` \\n",
        "lines\n\nof\ntext",
        "é 🦀\t",
    ] {
        assert_eq!(running.result("cat", json!(text)).await, json!(text));
        assert_eq!(
            running.result("cat", json!(format!("{text}\n"))).await,
            json!(text)
        );
    }
    assert_eq!(
        running.result("arguments", json!("")).await,
        json!("<a b><$HOME $(id)><*><it's \"so\"><>")
    );
    let object = json!({"a": 2.5, "b": [1, null, "x"]});
    assert_eq!(
        running.result("cat", object.clone()).await,
        json!(object.to_string())
    );
    running.submit("json", object.clone()).await;
    let result = running.client.next().await;
    assert_eq!(result.action(), "job_result", "{result:?}");
    let stored: Value =
        sqlx::query_scalar("select result from ringback.job_history where task = 'json'")
            .fetch_one(&running.database.pool)
            .await
            .unwrap();
    assert_eq!(stored, object);
    let (code, attempts, text) = running.failure("json", json!("no JSON")).await;
    assert_eq!((code.as_str(), attempts), ("result_invalid", 1), "{text}");
    // More than a pipe holds, and nobody reads it.
    let large = "x".repeat(60_000);
    assert_eq!(running.result("cat", json!(large)).await, json!(large));
    assert_eq!(
        running.result("ignores", json!(vec![large; 10])).await,
        json!("nothing is read")
    );
}

#[tokio::test]
async fn a_command_has_the_environment_and_the_folder_that_its_task_says_and_no_others() {
    let scripts = Scripts::new(
        r#"
        [tasks.environment]
        command = ["env"]
        environment = { GREETING = "hello $USER", HOME = "/nowhere" }
        time_limit = "10m"
        [tasks.passed]
        command = ["env"]
        pass_environment = ["RINGBACK_PING_PATIENCE"]
        [tasks.folder]
        command = ["./where"]
        directory = "inside"
        "#,
    );
    std::fs::create_dir(scripts.path("inside")).unwrap();
    let scripts = scripts.with("inside/where", "#!/bin/sh\npwd");
    let mut running = Running::new(scripts).await;
    let job = running.submit("environment", json!("")).await;
    let printed = running.client.next().await;
    let names = |text: &str| {
        let mut names: Vec<String> = text
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
            .collect();
        // Those of the shell that starts it, and those that are set here or not.
        names.retain(|name| {
            ![
                "PWD", "SHLVL", "_", "OLDPWD", "LANG", "LC_ALL", "TZ", "TMPDIR",
            ]
            .contains(&name.as_str())
        });
        names.sort();
        names
    };
    let text = printed.text();
    assert_eq!(
        names(text),
        [
            "GREETING",
            "HOME",
            "PATH",
            "RINGBACK_ATTEMPT",
            "RINGBACK_DEADLINE",
            "RINGBACK_JOB",
            "RINGBACK_TASK"
        ]
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let deadline = text
        .lines()
        .find_map(|line| line.strip_prefix("RINGBACK_DEADLINE="))
        .unwrap();
    assert!(
        (now + 500..=now + 600).contains(&deadline.parse().unwrap()),
        "{deadline}"
    );
    for line in [
        &format!("RINGBACK_JOB={job}"),
        "RINGBACK_ATTEMPT=1",
        "RINGBACK_TASK=environment",
        "GREETING=hello $USER",
        "HOME=/nowhere",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
    let text = running.result("passed", json!("")).await;
    assert_eq!(
        names(text.as_str().unwrap()),
        [
            "RINGBACK_ATTEMPT",
            "RINGBACK_JOB",
            "RINGBACK_PING_PATIENCE",
            "RINGBACK_TASK"
        ]
    );
    let folder = running.scripts.path("inside").canonicalize().unwrap();
    assert_eq!(running.result("folder", json!("")).await, json!(folder));
}

#[tokio::test]
async fn a_command_has_four_descriptors_and_may_have_as_many_as_its_worker_was_started_with() {
    let scripts = Scripts::new(
        r#"
        [tasks.files]
        command = ["./files"]
        "#,
    )
    .with(
        "files",
        r#"#!/usr/bin/env python3
import os, resource
open_third = os.environ.get("RINGBACK_JOB")
def is_open(number):
    try: os.fstat(number)
    except OSError: return False
    return True
print([number for number in range(250) if is_open(number) or number == 3 and not open_third], resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"#,
    );
    let database = TestDatabase::new().await;
    let _worker = scripts.worker_with_files(&database, 300).await;
    let gateway = scripts.gateway(&database).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("files", "").await;
    let (told, limit) = told_of_files(client.next().await.text());
    // Whatever this test itself was started with, everybody has.
    let own = std::process::Command::new(scripts.path("files"))
        .output()
        .unwrap();
    let (inherited, _) = told_of_files(std::str::from_utf8(&own.stdout).unwrap());
    assert_eq!((told, limit), (inherited, 300));
}

/// Which descriptors are open, and how many may be.
fn told_of_files(printed: &str) -> (Vec<u32>, u32) {
    let (open, limit) = printed.trim().rsplit_once(' ').unwrap();
    (serde_json::from_str(open).unwrap(), limit.parse().unwrap())
}

#[tokio::test]
async fn the_exit_status_says_whether_it_is_tried_again_and_stderr_why() {
    let scripts = Scripts::new(
        r#"
        [tasks.later]
        command = ["sh", "-c", "echo busy now >&2; test $RINGBACK_ATTEMPT = 3 && echo done at last || exit 75"]
        retry_delay = "10ms"
        [tasks.fails]
        command = ["sh", "-c", "echo first >&2; printf '\\033[1mlast\\n' >&2; exit 3"]
        [tasks.talks]
        command = ["sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1"]
        [tasks.dies]
        command = ["sh", "-c", "test $RINGBACK_ATTEMPT = 2 && echo alive || kill -s KILL $$"]
        retry_delay = "10ms"
        "#,
    );
    let mut running = Running::new(scripts).await;
    let (code, attempts, text) = running.failure("fails", json!("")).await;
    assert_eq!((code.as_str(), attempts), ("exit_3", 1));
    assert_eq!(text, "exit code 3: first\n\u{1b}[1mlast");
    let (code, attempts, text) = running.failure("talks", json!("")).await;
    assert_eq!((code.as_str(), attempts), ("exit_1", 1));
    assert!(
        text.starts_with("exit code 1: line ") && text.ends_with("\nline 2999"),
        "{text}"
    );
    assert!((7_000..=8_192).contains(&text.len()), "{}", text.len());
    running
        .database
        .execute("delete from ringback.job_history")
        .await;

    assert_eq!(
        running.result("later", json!("")).await,
        json!("done at last")
    );
    let ended = running.attempts().await;
    let busy = ("exit_75".to_owned(), "exit code 75: busy now".to_owned());
    for (outcome, code, error) in &ended[..2] {
        assert_eq!(
            (outcome.as_str(), code.as_ref(), error.as_ref()),
            ("failed", Some(&busy.0), Some(&busy.1))
        );
    }
    assert_eq!((ended.len(), ended[2].0.as_str()), (3, "succeeded"));
    running
        .database
        .execute("delete from ringback.job_history")
        .await;
    running
        .database
        .execute("delete from ringback.job_attempt")
        .await;

    assert_eq!(running.result("dies", json!("")).await, json!("alive"));
    let ended = running.attempts().await;
    assert_eq!(
        (ended.len(), ended[0].1.as_deref(), ended[0].2.as_deref()),
        (2, Some("signal_9"), Some("signal 9"))
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_at_the_start_and_may_come_later() {
    let scripts = Scripts::new(
        r#"
        [tasks.absent]
        command = ["./comes-later"]
        retry_delay = "10ms"
        longest_retry_delay = "10ms"
        max_attempts = 1000000
        [tasks.never]
        command = ["no-such-program-anywhere"]
        max_attempts = 1
        [tasks.folder]
        command = ["ls"]
        directory = "not-there"
        max_attempts = 1
        "#,
    );
    let mut running = Running::new(scripts).await;
    running
        .worker
        .printed("there is no program ./comes-later")
        .await;
    running
        .worker
        .printed("there is no program no-such-program-anywhere in its PATH")
        .await;
    for (task, words) in [
        ("never", "no-such-program-anywhere in its PATH"),
        ("folder", "working directory"),
    ] {
        let (code, _, text) = running.failure(task, json!("")).await;
        assert!(
            code == "command_not_started" && text.contains(words),
            "{text}"
        );
    }
    running.submit("absent", json!("")).await;
    eventually("it should have been tried", async || {
        running
            .database
            .count("ringback.job where failures > 0")
            .await
            == 1
    })
    .await;
    running.scripts.add("comes-later", "#!/bin/sh\necho here");
    assert_eq!(running.client.next().await.text(), "here");
}

#[tokio::test]
async fn what_a_command_says_on_descriptor_3_reaches_who_listens() {
    let scripts = Scripts::new(
        r#"
        [tasks.story]
        command = ["./story"]
        "#,
    )
    .with(
        "story",
        r#"#!/bin/sh
echo 'no JSON' >&3
echo '{"percent": 50, "note": "half"}' >&3
until [ -e go ]; do sleep 0.02; done
i=0; while [ $i -lt 200 ]; do printf '{"chunk": "piece %s\\n"}\n' $i; i=$((i+1)); done >&3
head -c 70000 /dev/zero | tr '\0' 'x' >&3; echo >&3
printf '{"chunk": "the last"}' >&3
echo told
"#,
    );
    let mut running = Running::new(scripts).await;
    running
        .client
        .submit_with("story", json!({"stream": true}))
        .await;
    let progress = running.client.next().await;
    assert_eq!(
        (progress.action(), &progress.0["payload"]),
        ("job_progress", &json!({"percent": 50.0, "note": "half"}))
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
    let pieces: String = (0..200).map(|number| format!("piece {number}\n")).collect();
    assert_eq!((result.text(), text), ("told", pieces + "the last"));
}

#[tokio::test]
async fn a_command_that_prints_too_much_is_ended_and_fails_for_good() {
    let scripts = Scripts::new(
        r#"
        [tasks.floods]
        command = ["sh", "-c", "echo a warning >&2; echo $$ > pids; exec yes"]
        max_output = 100000
        [tasks.fits]
        command = ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo"]
        max_output = 100000
        [tasks.exceeds]
        command = ["sh", "-c", "head -c 100001 /dev/zero | tr '\\0' x"]
        max_output = 100000
        [tasks.bytes]
        command = ["sh", "-c", "echo a warning >&2; printf '\\377'"]
        [tasks.nul]
        command = ["printf", "a\\000b"]
        "#,
    );
    let mut running = Running::new(scripts).await;
    let (code, attempts, text) = running.failure("floods", json!("")).await;
    assert_eq!((code.as_str(), attempts), ("result_too_large", 1), "{text}");
    assert!(text.ends_with(": a warning"), "{text}");
    let (code, _, _) = running.failure("exceeds", json!("")).await;
    assert_eq!(code, "result_too_large");
    gone(&running.scripts.written("pids", 1).await).await;
    assert_eq!(
        running
            .result("fits", json!(""))
            .await
            .as_str()
            .unwrap()
            .len(),
        100_000
    );
    let (code, _, text) = running.failure("bytes", json!("")).await;
    assert!(
        code == "result_invalid" && text.contains("base64") && text.ends_with(": a warning"),
        "{text}"
    );
    let (code, _, text) = running.failure("nul", json!("")).await;
    assert!(code == "result_invalid" && text.contains("NUL"), "{text}");
}
