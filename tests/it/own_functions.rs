//! Tasks that are HTTP functions: what they are told, what becomes of what they answer, and what happens while they do
//! not.

mod callbacks;
mod pauses;
mod streams;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Client, Endpoint, Program, Reply, TestDatabase, eventually};

const TOKEN: &str = "token-that-nobody-may-read";
const SECRET: &str = "secret-that-nobody-may-read";

/// A file of tasks, gone with the test.
struct TasksFile(PathBuf);

impl TasksFile {
    fn new(text: &str) -> Self {
        let name = format!("tasks_{}.toml", Uuid::new_v4().simple());
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, text).unwrap();
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TasksFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A gateway, and a worker with these tasks.
struct Fleet {
    database: TestDatabase,
    gateway: Program,
    worker: Program,
    api: Api,
    /// Here as long as its processes.
    _tasks: TasksFile,
}

impl Fleet {
    async fn new(tasks: &str) -> Self {
        Self::with(tasks, &[], "info").await
    }

    async fn with(tasks: &str, arguments: &[&str], log: &str) -> Self {
        let database = TestDatabase::new().await;
        let tasks = TasksFile::new(tasks);
        // It knows the tasks, and has none of their secrets.
        let gateway = Program::serve(&database, &["--tasks", tasks.path()]).await;
        let worker = working(&database, &tasks, arguments, log).await;
        let api = Api::of(&gateway);
        Self {
            database,
            gateway,
            worker,
            api,
            _tasks: tasks,
        }
    }

    /// The same, whose worker runs two jobs at once, and says where it can be called back.
    async fn called_back(tasks: &str) -> Self {
        let database = TestDatabase::new().await;
        let tasks = TasksFile::new(tasks);
        let gateway = Program::serve(&database, &["--tasks", tasks.path()]).await;
        let address = format!("http://{}/", gateway.address());
        let arguments = ["--public-url", &address, "--concurrency", "2"];
        let worker = working(&database, &tasks, &arguments, "trace").await;
        let api = Api::of(&gateway);
        Self {
            database,
            gateway,
            worker,
            api,
            _tasks: tasks,
        }
    }

    /// Submits a job, and waits until it is over.
    async fn run(&self, task: &str, input: &Value) -> Value {
        let job = json!({"task_type": task, "input": input});
        let job = self.api.submit_as(&job).await;
        self.api.finished(&job).await
    }

    async fn attempts(&self, job: &Value) -> Vec<Value> {
        let path = format!("/api/v1/jobs/{}/attempts", job["id"].as_str().unwrap());
        let answer = self.api.get(&path).await;
        answer.body["attempts"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer:?}"))
            .clone()
    }
}

async fn working(
    database: &TestDatabase,
    tasks: &TasksFile,
    arguments: &[&str],
    log: &str,
) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    let worker = Program::spawn(
        command
            .args(["worker", "--tasks", tasks.path()])
            .args(arguments)
            .env("DATABASE_URL", &database.url)
            .env("RUST_LOG", log)
            .env("FUNCTION_TOKEN", TOKEN)
            .env("FUNCTION_SECRET", SECRET)
            // Where nobody listens: nothing is to go there.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("http_proxy", "http://127.0.0.1:9"),
    );
    worker.printed("working").await;
    worker
}

/// That a job has failed, as this code says, after so many attempts.
fn has_failed(job: &Value, code: &str, attempts: i64) {
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(
        (&job["error_code"], &job["attempts"]),
        (&json!(code), &json!(attempts)),
        "{job}"
    );
}

#[tokio::test]
async fn a_function_is_called_with_the_input_signed_and_gives_the_result() {
    let endpoint = Endpoint::new(|_, asked| {
        let input: Value = serde_json::from_str(&asked.body).unwrap();
        match asked.path.as_str() {
            "/json" => Reply::json(&json!({"got": input})),
            "/text" => Reply::new(
                "200 OK",
                "content-type: text/plain; charset=utf-8\r\n",
                "thé",
            ),
            "/problem" => Reply::new("201 Created", "content-type: application/a+json\r\n", "[1]"),
            "/nothing" => Reply::nothing(),
            "/no-json" => Reply::new("200 OK", "content-type: application/json\r\n", "{"),
            other => panic!("{other}"),
        }
    })
    .await;
    let tasks: String = ["json", "text", "problem", "nothing", "no-json"]
        .map(|name| {
            let url = endpoint.url(&format!("/{name}"));
            format!("[tasks.{name}]\nurl = \"{url}\"\n")
        })
        .concat();
    let signed = format!(
        "[tasks.signed]\nurl = \"{}\"\nmethod = \"PUT\"\nsecret = \"${{FUNCTION_SECRET}}\"\ntime_limit = \"5m\"\n\
         [tasks.signed.headers]\nauthorization = \"Bearer ${{FUNCTION_TOKEN}}\"\nx-plain = \"$5\"\n",
        endpoint.url("/json")
    );
    let fleet = Fleet::with(&(tasks + &signed), &[], "trace").await;

    let input = json!({"to": "é", "n": [1, 2.5, null]});
    let job = fleet.run("signed", &input).await;
    assert_eq!(job["result"], json!({"got": input}), "{job}");
    let asked = endpoint.asked().remove(0);
    let header = |name: &str| asked.headers[name].as_str();
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("PUT", "/json")
    );
    assert_eq!(header("host"), endpoint.address);
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(header("x-plain"), "$5");
    assert_eq!(header("ringback-job"), job["id"].as_str().unwrap());
    assert_eq!(
        (header("ringback-attempt"), header("ringback-task")),
        ("1", "signed")
    );
    let deadline: jiff::Timestamp = header("ringback-deadline").parse().unwrap();
    let now = jiff::Timestamp::now();
    let remaining = deadline.duration_since(now).as_secs();
    assert!((200..=300).contains(&remaining), "{remaining}");

    // As whoever receives it would compute it.
    assert_eq!(header("webhook-id"), header("ringback-job"));
    let at: u64 = header("webhook-timestamp").parse().unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(at) < 60);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let message = format!("{}.{at}.{}", header("webhook-id"), asked.body);
    let tag = hmac::sign(&key, message.as_bytes());
    let expected = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
    assert_eq!(header("webhook-signature"), format!("v1,{expected}"));

    for (task, result) in [
        ("json", json!({"got": "a text"})),
        ("text", json!("thé")),
        ("problem", json!([1])),
        ("nothing", Value::Null),
    ] {
        let job = fleet.run(task, &json!("a text")).await;
        assert_eq!(
            (&job["state"], &job["result"]),
            (&json!("succeeded"), &result),
            "{task}"
        );
    }
    has_failed(&fleet.run("no-json", &json!(1)).await, "result_invalid", 1);
    // A task that says nothing of secrets sends none, and its connection is kept for the next call.
    let plain = endpoint.asked().remove(1);
    for name in ["authorization", "webhook-id", "webhook-signature"] {
        assert!(!plain.headers.contains_key(name), "{name}");
    }
    let before = endpoint.connections();
    for _ in 0..5 {
        fleet.run("json", &json!(1)).await;
    }
    assert_eq!(endpoint.connections(), before);
    // At the level at which everything is logged.
    let log = fleet.worker.output();
    assert!(log.contains("TRACE"), "it should log everything");
    for secret in [TOKEN, SECRET, &expected] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn what_a_status_says_decides_whether_and_when_it_is_tried_again() {
    let is_back = Arc::new(AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let endpoint = Endpoint::new(move |_, asked| {
        let attempt = asked.headers["ringback-attempt"].as_str();
        match (asked.path.as_str(), attempt) {
            ("/busy", "1") => Reply::new("503 Busy", "retry-after: 2\r\n", "come later"),
            ("/limited", "1") => Reply::new("429 Too Many Requests", "retry-after: 1\r\n", ""),
            ("/broken", "1" | "2") => Reply::new("500 No", "", "oh\r\n\x1b[31mno"),
            ("/refused", _) => {
                Reply::new("404 Not Found", "retry-after: 1\r\n", &"x".repeat(5_000))
            }
            ("/unending", _) => {
                Reply::raw(&["HTTP/1.1 410 Gone\r\ncontent-length: 9\r\n\r\nno"]).then_silence()
            }
            ("/later", _) => Reply::new("202 Accepted", "", ""),
            ("/closed", _) if !back.load(Ordering::Relaxed) => Reply::close(),
            _ => Reply::json(&json!("done")),
        }
    })
    .await;
    let tasks: String = [
        "busy", "limited", "broken", "refused", "unending", "later", "closed",
    ]
    .map(|name| {
        let url = endpoint.url(&format!("/{name}"));
        format!("[tasks.{name}]\nurl = \"{url}\"\nretry_delay = \"10ms\"\n")
    })
    .concat();
    // Nobody has said where.
    let tasks = tasks.replace("[tasks.later]", "[tasks.later]\ncallback = true");
    let fleet = Fleet::new(&tasks).await;

    let job = fleet.run("busy", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("done"), &json!(2))
    );
    let attempts = fleet.attempts(&job).await;
    assert_eq!(attempts[0]["error_code"], "http_503", "{attempts:?}");
    assert_eq!(
        attempts[0]["error"],
        "the function answered 503 Service Unavailable: come later"
    );
    let time = |attempt: usize, field: &str| -> jiff::Timestamp {
        attempts[attempt][field].as_str().unwrap().parse().unwrap()
    };
    let waited = time(1, "started_at").duration_since(time(0, "ended_at"));
    assert!(
        waited >= Duration::from_millis(1_900).try_into().unwrap(),
        "{waited:?}"
    );

    let job = fleet.run("limited", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("done"), &json!(2))
    );
    let job = fleet.run("broken", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("done"), &json!(3))
    );
    let attempts = fleet.attempts(&job).await;
    let error = "the function answered 500 Internal Server Error: oh\\r\\n\\u{1b}[31mno";
    assert_eq!(attempts[1]["error"], error);

    let job = fleet.run("refused", &json!(1)).await;
    has_failed(&job, "http_404", 1);
    let error = format!("the function answered 404 Not Found: {}", "x".repeat(1_024));
    assert_eq!(job["error"], error.as_str());
    let job = fleet.run("unending", &json!(1)).await;
    has_failed(&job, "http_410", 1);
    assert_eq!(job["error"], "the function answered 410 Gone: no");
    has_failed(&fleet.run("later", &json!(1)).await, "http_202", 1);
    let asked = endpoint.asked().pop().unwrap();
    assert!(!asked.headers.contains_key("ringback-callback-url"));

    let job = fleet
        .api
        .submit_as(&json!({"task_type": "closed", "input": 1}))
        .await;
    let failed =
        format!("ringback.job_attempt where job_id = '{job}' and error_code = 'http_unreachable'");
    eventually("an attempt should fail", async || {
        fleet.database.count(&failed).await > 0
    })
    .await;
    is_back.store(true, Ordering::Relaxed);
    assert_eq!(fleet.api.finished(&job).await["result"], "done");
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_and_to_no_other() {
    let other = Endpoint::new(|_, _| Reply::json(&json!("stolen"))).await;
    let elsewhere = other.url("/");
    let endpoint = Endpoint::new(move |_, asked| {
        let to =
            |status: &str, place: &str| Reply::new(status, &format!("location: {place}\r\n"), "");
        match asked.path.as_str() {
            "/here" => to("307 Temporary Redirect", "/b?c=d"),
            "/b?c=d" => to("308 Permanent Redirect", "/c"),
            "/c" => Reply::json(&json!({"method": asked.method, "body": asked.body})),
            "/there" => to("307 Temporary Redirect", &elsewhere),
            "/sly" => to("308 Permanent Redirect", &elsewhere.replace("http:", "")),
            "/get" => to("303 See Other", "/c"),
            "/round" => to("307 Temporary Redirect", "/round"),
            "/lost" => Reply::new("307 Temporary Redirect", "", ""),
            other => panic!("{other}"),
        }
    })
    .await;
    let tasks: String = ["here", "there", "sly", "get", "round", "lost"]
        .map(|name| {
            let url = endpoint.url(&format!("/{name}"));
            format!(
                "[tasks.{name}]\nurl = \"{url}\"\nsecret = \"${{FUNCTION_SECRET}}\"\n\
                 headers = {{ authorization = \"${{FUNCTION_TOKEN}}\" }}\n"
            )
        })
        .concat();
    let fleet = Fleet::new(&tasks).await;
    let job = fleet.run("here", &json!([7])).await;
    assert_eq!(
        job["result"],
        json!({"method": "POST", "body": "[7]"}),
        "{job}"
    );
    for (task, code, why) in [
        ("there", "http_307", "another host"),
        ("sly", "http_308", "another host"),
        ("get", "http_303", "303"),
        ("lost", "http_307", "does not say where"),
    ] {
        let job = fleet.run(task, &json!(1)).await;
        has_failed(&job, code, 1);
        assert!(job["error"].as_str().unwrap().contains(why), "{job}");
    }
    let before = endpoint.asked().len();
    let job = fleet.run("round", &json!(1)).await;
    has_failed(&job, "http_307", 1);
    assert_eq!(
        endpoint.asked().len() - before,
        6,
        "once, and five times on"
    );
    assert_eq!(other.connections(), 0, "nothing was sent there");
}

#[tokio::test]
async fn a_response_that_is_too_large_is_not_read_to_its_end() {
    let endpoint = Endpoint::new(|_, asked| match asked.path.as_str() {
        // It says how large it is, and never comes.
        "/said" => Reply::new("200 OK", "", &"x".repeat(100_001)),
        // It does not, and never ends.
        "/unsaid" => {
            let part = format!("{:x}\r\n{}\r\n", 100_001, "x".repeat(100_001));
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            Reply::raw(&[head, &part]).then_silence()
        }
        _ => Reply::new("200 OK", "", &"x".repeat(100_000)),
    })
    .await;
    let tasks: String = ["said", "unsaid", "small"]
        .map(|name| {
            let url = endpoint.url(&format!("/{name}"));
            format!("[tasks.{name}]\nurl = \"{url}\"\nmax_response = 100000\n")
        })
        .concat();
    let fleet = Fleet::new(&tasks).await;
    for task in ["said", "unsaid"] {
        let job = fleet.run(task, &json!(1)).await;
        has_failed(&job, "result_too_large", 1);
    }
    eventually("the connection should be closed", async || {
        endpoint.hung_up() == 1
    })
    .await;
    let job = fleet.run("small", &json!(1)).await;
    assert_eq!(job["result"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_call_that_takes_too_long_or_is_cancelled_closes_its_connection() {
    let endpoint = Endpoint::new(|_, asked| match asked.path.as_str() {
        "/slow" => Reply::silence(),
        // It begins to answer, and does not go on.
        _ => Reply::raw(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"]).then_silence(),
    })
    .await;
    let fleet = Fleet::new(&format!(
        "[tasks.slow]\nurl = \"{}\"\ntime_limit = \"300ms\"\nmax_attempts = 1\n[tasks.stuck]\nurl = \"{}\"\n",
        endpoint.url("/slow"),
        endpoint.url("/stuck")
    ))
    .await;
    has_failed(&fleet.run("slow", &json!(1)).await, "time_limit", 1);
    eventually("the first should be closed", async || {
        endpoint.hung_up() == 1
    })
    .await;

    let job = fleet
        .api
        .submit_as(&json!({"task_type": "stuck", "input": 1}))
        .await;
    eventually("it should be called", async || endpoint.asked().len() == 2).await;
    assert_eq!(endpoint.hung_up(), 1);
    let path = format!("/api/v1/jobs/{job}/cancel");
    assert_eq!(fleet.api.post(&path).await.status, 202);
    assert_eq!(fleet.api.finished(&job).await["state"], "cancelled");
    eventually("the second should be closed", async || {
        endpoint.hung_up() == 2
    })
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_be_right_does_not_start_a_worker_and_says_where() {
    let database = TestDatabase::new().await;
    for (task, reason) in [
        (
            "url = \"http://example.com/\"",
            "use https, or say allow_http = true",
        ),
        ("url = \"ftp://example.com/\"", "ftp is not called"),
        ("url = \"not a url\"", "is no URL"),
        (
            "url = \"https://me:word@example.com/\"",
            "name or a password",
        ),
        (
            "url = \"https://example.com/\"\nmethod = \"GET\"",
            "POST, PUT or PATCH",
        ),
        (
            "url = \"https://example.com/\"\nsecret = \"in the file\"",
            "into the environment",
        ),
        (
            "url = \"https://example.com/\"\nsecret = \"${FUNCTION_NONE}\"",
            "FUNCTION_NONE is not set",
        ),
        (
            "url = \"https://example.com/\"\nsecret = \"${SHORT}\"",
            "needs 24 or more",
        ),
        (
            "url = \"https://example.com/\"\nheaders = { a = \"${FUNCTION_NONE}\" }",
            "in the header a",
        ),
        (
            "url = \"https://example.com/\"\nheaders = { a = \"${LINES}\" }",
            "the header a",
        ),
        (
            "url = \"https://example.com/\"\nheaders = { Host = \"b\" }",
            "said by each request itself",
        ),
        (
            "url = \"https://example.com/\"\nheaders = { Webhook-Id = \"b\" }",
            "said by each request itself",
        ),
        ("url = \"https://example.com/\"\nsecrets = \"a\"", "line 3"),
        (
            "command = [\"true\"]\nmax_response = 5",
            "max_response is for functions",
        ),
        ("", "either a command or a url"),
    ] {
        let tasks = TasksFile::new(&format!("[tasks.wrong]\n{task}\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
        let mut worker = Program::spawn(
            command
                .args(["worker", "--tasks", tasks.path()])
                .env("DATABASE_URL", &database.url)
                .env("SHORT", "hush, hush")
                .env("LINES", "hush\nhush"),
        );
        assert!(!worker.ended().await.success(), "{task}");
        let output = worker.output();
        assert!(output.contains(reason), "{task}: {output}");
        assert!(!output.contains("hush"), "{output}");
        assert!(output.contains(tasks.path()), "{output}");
    }
}
