//! The examples, as the programs that they are, and the harness that tests tasks of one's own.

use std::process::Command;

use futures_util::FutureExt;
use ringback::task::{FollowUp, Options, RetryDelay, from_fn};
use ringback::testing::Ringback;
use ringback::wire::JobState;
use ringback::{Context, TaskError, Tasks};
use serde_json::{Value, json};

use crate::support::{Api, Client, DataDir, Program, TestDatabase, example};

/// A gateway and a worker of this example, in a folder of its own.
pub(crate) async fn run(
    name: &str,
    database: &TestDatabase,
    folder: &DataDir,
) -> (Program, Program) {
    std::fs::create_dir_all(folder.path()).unwrap();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(example(name));
        command
            .args(arguments)
            .current_dir(folder.path())
            .env("DATABASE_URL", &database.url)
            .env("SHOP_URL", &database.url)
            .env("PICTURES", folder.path())
            .env("REPORTS", folder.path())
            .env("RINGBACK_PING_PATIENCE", "5m");
        Program::spawn(&mut command)
    };
    let gateway = start(&["serve", "--listen", "127.0.0.1:0"]);
    gateway.printed("serving").await;
    let worker = start(&["worker"]);
    worker.printed("working").await;
    (gateway, worker)
}

async fn done(api: &Api, job: &Value) -> Value {
    let answer = api.post_json("/api/v1/jobs?wait=30", job).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn the_thumbnailer_makes_thumbnails_of_what_is_there_and_refuses_what_is_no_name() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (gateway, _worker) = run("thumbnails", &database, &folder).await;
    let picture = image::RgbImage::from_fn(400, 200, |_, _| image::Rgb([200, 0, 0]));
    picture.save(folder.path().join("cat.png")).unwrap();
    let api = Api::of(&gateway);

    let ask = |input: Value| json!({"task_type": "thumbnail", "input": input});
    let job = done(&api, &ask(json!({"file": "cat.png", "width": 100}))).await;
    let made = json!({"file": "cat.100.png", "width": 100, "height": 50});
    assert_eq!(job["result"], made, "{job}");
    let thumbnail = image::open(folder.path().join("cat.100.png")).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (100, 50));

    let job = done(&api, &ask(json!({"file": "dog.png"}))).await;
    assert_eq!(
        (&job["state"], &job["error_code"]),
        (&json!("failed"), &json!("no_such_picture"))
    );
    std::fs::write(folder.path().join("text.png"), "no picture").unwrap();
    for (input, field) in [
        (json!({"file": "../cat.png"}), "file"),
        (json!({"file": "cat.png", "width": 0}), "width"),
        (json!({"width": 10}), "file"),
    ] {
        let answer = api.post_json("/api/v1/jobs", &ask(input)).await;
        let loc = &answer.body["errors"][0]["loc"];
        assert_eq!(
            (answer.status, loc),
            (422, &json!(["body", "input", field]))
        );
    }
}

#[tokio::test]
async fn a_report_is_whole_and_says_how_far_it_is() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    database
        .execute(
            "create table orders (id bigint, placed_on date, customer text, amount numeric);
             insert into orders
             select n, date '2026-01-01' + n % 31, 'customer, ' || n, n * 1.5 from generate_series(1, 155000) as n",
        )
        .await;
    let (gateway, _worker) = run("report", &database, &folder).await;
    let mut client = Client::connect(&gateway).await;
    let days = json!({"from": "2026-01-02", "to": "2026-01-21"});
    let payload = json!({"task_type": "report", "input": days, "stream": true});
    client
        .send(json!({"action": "system_message", "payload": payload}))
        .await;
    assert_eq!(client.next().await.action(), "job_queued");
    let mut progress = 0;
    let result = loop {
        let message = client.next().await;
        match message.action() {
            "job_progress" => progress += 1,
            _ => break message,
        }
    };
    assert!(progress > 0, "it should have said how far it is");
    assert_eq!(result.0["job"]["result"]["orders"], 100_000, "{result:?}");
    let file = folder.path().join("orders-2026-01-02-2026-01-21.csv");
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().next(), Some("id,placed_on,customer,amount"));
    assert_eq!(text.lines().count(), 100_001);
    assert!(text.contains("1,2026-01-02,\"customer, 1\",1.5"));

    // A day is checked where it is submitted.
    let api = Api::of(&gateway);
    let input = json!({"task_type": "report", "input": {"from": "2026-02-30", "to": "2026-03-01"}});
    let answer = api.post_json("/api/v1/jobs", &input).await;
    let loc = &answer.body["errors"][0]["loc"];
    assert_eq!(
        (answer.status, loc),
        (422, &json!(["body", "input", "from"]))
    );
}

#[tokio::test]
async fn an_outline_is_said_as_it_is_found_and_another_job_follows() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (gateway, _worker) = run("outline", &database, &folder).await;
    let mut client = Client::connect(&gateway).await;
    let markdown = "# One\na few words\n## Two\nand some more words";
    let input = json!({"markdown": markdown, "shout": true});
    let payload = json!({"task_type": "outline", "input": input, "stream": true});
    client
        .send(json!({"action": "system_message", "payload": payload}))
        .await;
    assert_eq!(client.next().await.action(), "job_queued");
    let (mut said, mut last) = (String::new(), client.next().await);
    while last.action() == "job_chunk" {
        said.push_str(last.text());
        last = client.next().await;
    }
    assert_eq!(said, "One (3 words)\n  Two (4 words)\n");
    assert_eq!(last.0["job"]["result"][1]["title"], "Two");
    crate::support::eventually("the job that follows should be done", async || {
        let shouted = "ringback.jobs where task = 'shout' and result = 'TWO'";
        database.count(shouted).await == 1
    })
    .await;
    // What it does not have, it does not have: nothing of the demonstration.
    let api = Api::of(&gateway);
    let unknown = json!({"task_type": "translate", "content": "hello"});
    let answer = api.post_json("/api/v1/jobs", &unknown).await;
    assert_eq!(answer.body["errors"][0]["type"], "task_unknown");
    let tasks = api.get("/api/v1/tasks").await.body;
    let names: Vec<&str> = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["outline", "shout"]);
    assert_eq!(tasks["tasks"][0]["workers"], 1);
    let document = api.get("/openapi.json").await.body;
    let input = &document["components"]["schemas"]["task.outline.input"];
    assert_eq!(input["properties"]["markdown"]["type"], "string");
}

fn tasks() -> Tasks {
    let soon = RetryDelay {
        first: std::time::Duration::from_secs(3_600),
        longest: std::time::Duration::from_secs(3_600),
    };
    let twice = from_fn("twice", |text: String, context: Context| async move {
        if context.attempt == 1 {
            return Err(TaskError::new("not yet").into());
        }
        context.chunk(&text).await;
        context.enqueue(FollowUp::new("once", text.as_str()))?;
        Ok(text.repeat(2))
    });
    let once = from_fn("once", |text: String, _: Context| async move { Ok(text) });
    let options = Options::new().retry_delay(soon);
    Tasks::new().with(twice.with_options(options)).with(once)
}

#[tokio::test]
async fn a_harness_runs_what_is_due_until_there_is_nothing_left() {
    let ringback = Ringback::start(tasks()).await.unwrap();
    let job = ringback.submit("twice", "a").await.unwrap();
    assert_eq!(ringback.job(job).await.unwrap().state, JobState::Ready);
    ringback.run_until_idle().await.unwrap();
    let waits = ringback.job(job).await.unwrap();
    assert_eq!((waits.state, waits.attempts), (JobState::Scheduled, 1));
    ringback.make_due().await.unwrap();
    ringback.run_until_idle().await.unwrap();
    let done = ringback.job(job).await.unwrap();
    assert_eq!(done.result, Some(json!("aa")));
    let refused = ringback.submit("twice", json!(1)).await.unwrap_err();
    assert!(refused.to_string().contains("string"), "{refused}");
}

#[tokio::test]
async fn a_harness_has_clients_and_markers() {
    let mut ringback = Ringback::start(tasks()).await.unwrap();
    let mut marker = ringback.marker("once").await.unwrap();
    let mut client = ringback.client().await.unwrap();
    let id = client.submit("once", "b").await.unwrap();
    assert!(
        marker.next().now_or_never().is_none(),
        "nothing runs before it is wanted"
    );
    ringback.keep_running();
    let result = client.next().await.unwrap();
    assert_eq!(
        (&result["job_id"], &result["payload"]),
        (&json!(id), &json!("b"))
    );
    assert_eq!(marker.next().await.unwrap().result, Some(json!("b")));
}
