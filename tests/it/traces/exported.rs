//! The spans of a job's way, from frame to frame, as a collector gets them.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::collector::{Collected, Collector};
use super::{SPAN, TRACE, failing_once, heard, ours, submit_with_header, tasks};
use crate::support::{Api, Client, Endpoint, Program, Scripts, TestDatabase, eventually};

/// A gateway and a worker that export their spans there.
struct Fleet {
    _database: TestDatabase,
    gateway: Program,
    worker: Program,
    _scripts: Scripts,
}

impl Fleet {
    async fn new(function: &Endpoint, collector: &str) -> Self {
        let scripts = tasks(function);
        let database = TestDatabase::new().await;
        let file = scripts.path("tasks.toml");
        let arguments = [
            "--tasks",
            file.to_str().unwrap(),
            "--otlp-endpoint",
            collector,
        ];
        let start = |verb: &[&str]| {
            Program::spawn(
                Command::new(env!("CARGO_BIN_EXE_ringback"))
                    .args(verb)
                    .args(arguments)
                    .env("DATABASE_URL", &database.url)
                    // Many exports in a short time.
                    .env("OTEL_BSP_SCHEDULE_DELAY", "50"),
            )
        };
        let gateway = start(&["serve", "--listen", "127.0.0.1:0"]);
        gateway.printed("serving").await;
        let worker = start(&["worker"]);
        worker.printed("working").await;
        Self {
            _database: database,
            gateway,
            worker,
            _scripts: scripts,
        }
    }

    /// Ends it in an orderly way: what is left of the spans is exported then.
    async fn stop(&mut self) -> Duration {
        let began = Instant::now();
        for program in [&mut self.worker, &mut self.gateway] {
            program.signal("TERM");
            assert!(program.ended().await.success());
        }
        began.elapsed()
    }
}

fn of_trace(span: &Collected) -> String {
    format!("00-{}-{}-01", span.trace, span.id)
}

fn says(span: &Collected, attributes: &[(&str, &str)]) {
    for (name, value) in attributes {
        let said = span.attributes.get(*name).map(String::as_str);
        assert_eq!(said, Some(*value), "{name} of {span:?}");
    }
}

#[tokio::test]
async fn a_job_from_a_socket_is_one_trace_from_its_submission_over_each_attempt_to_its_delivery() {
    let (function, collector) = (failing_once().await, Collector::new().await);
    let mut fleet = Fleet::new(&function, &collector.url).await;
    let mut client = Client::connect(&fleet.gateway).await;
    let job = client
        .submit_with("call", json!({"traceparent": ours()}))
        .await;
    assert_eq!(client.next().await.text(), "done");
    fleet.stop().await;

    let submit = collector.one("submit", TRACE).await;
    let runs = collector.named("run", TRACE, 2).await;
    let deliver = collector.one("deliver", TRACE).await;
    assert_eq!(submit.parent, SPAN);
    for span in runs.iter().chain([&deliver]) {
        assert_eq!(span.parent, submit.id, "{span:?}");
    }
    // Each attempt of the function is under its run.
    let under: Vec<_> = runs.iter().map(|run| Some(of_trace(run))).collect();
    assert_eq!(heard(&function), under);
    // None has begun before what it follows, or lasts for ever.
    assert!(
        submit.lasted.start <= runs[0].lasted.start,
        "{submit:?} {runs:?}"
    );
    assert!(runs[0].lasted.end <= runs[1].lasted.start, "{runs:?}");
    assert!(deliver.lasted.start <= deliver.lasted.end, "{deliver:?}");

    let messaging = [
        ("messaging.system", "ringback"),
        ("messaging.message.id", job.as_str()),
        ("job.id", job.as_str()),
        ("service.name", "ringback"),
    ];
    for span in runs.iter().chain([&submit, &deliver]) {
        says(span, &messaging);
    }
    let of_the_task = [
        ("task.name", "call"),
        ("messaging.destination.name", "default"),
    ];
    says(&submit, &of_the_task);
    says(&submit, &[("messaging.operation.type", "send")]);
    for (run, attempt, outcome) in [(&runs[0], "1", "failed"), (&runs[1], "2", "succeeded")] {
        says(run, &of_the_task);
        says(run, &[("messaging.operation.type", "process")]);
        says(run, &[("job.attempt", attempt), ("job.outcome", outcome)]);
        // A consumer.
        assert_eq!(
            (run.kind, run.is_error),
            (5, outcome == "failed"),
            "{run:?}"
        );
    }
    says(&deliver, &[("job.outcome", "succeeded")]);
    assert_eq!((submit.kind, submit.is_error), (4, false), "{submit:?}");
}

#[tokio::test]
async fn jobs_over_http_go_on_with_the_trace_of_the_request_and_their_commands_know_it() {
    let (function, collector) = (failing_once().await, Collector::new().await);
    let mut fleet = Fleet::new(&function, &collector.url).await;
    let api = Api::of(&fleet.gateway);
    let jobs = json!({"jobs": [
        {"task_type": "once", "content": ""},
        {"task_type": "kept", "content": ""},
    ]});
    let answer = submit_with_header(&api, "/api/v1/jobs/batch", &[&ours()], &jobs).await;
    let mut printed = Vec::new();
    for job in answer["job_ids"].as_array().unwrap() {
        let job = api.finished(job.as_str().unwrap()).await;
        printed.push(job["result"].as_str().unwrap().to_owned());
    }
    fleet.stop().await;
    let submits = collector.named("submit", TRACE, 2).await;
    let runs = collector.named("run", TRACE, 2).await;
    for submit in &submits {
        assert_eq!(submit.parent, SPAN, "{submit:?}");
        assert!(runs.iter().any(|run| run.parent == submit.id), "{runs:?}");
    }
    let mut under: Vec<String> = runs.iter().map(of_trace).collect();
    under.sort();
    printed.sort();
    assert_eq!(printed, under);
}

#[tokio::test]
async fn a_job_that_says_no_trace_begins_one_and_one_that_is_not_sampled_stays_so() {
    let (function, collector) = (failing_once().await, Collector::new().await);
    let mut fleet = Fleet::new(&function, &collector.url).await;
    let mut client = Client::connect(&fleet.gateway).await;
    let not_sampled = ours().replace("-01", "-00");
    client
        .submit_with("once", json!({"traceparent": not_sampled}))
        .await;
    let printed = client.next().await.text().to_owned();
    assert!(printed.starts_with(&format!("00-{TRACE}-")), "{printed}");
    assert!(printed.ends_with("-00"), "{printed}");
    client
        .submit_with("once", Value::Object(Default::default()))
        .await;
    let printed = client.next().await.text().to_owned();
    let trace = &printed[3..35];
    fleet.stop().await;

    let submit = collector.one("submit", trace).await;
    assert_eq!(submit.parent, "");
    let run = collector.one("run", trace).await;
    assert_eq!(
        (run.parent.as_str(), of_trace(&run)),
        (submit.id.as_str(), printed.clone())
    );
    collector.one("deliver", trace).await;
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.trace == trace), "{spans:?}");
}

#[tokio::test]
async fn what_a_task_traces_itself_and_the_jobs_that_it_asks_for_are_under_its_attempt() {
    let collector = Collector::new().await;
    let database = TestDatabase::new().await;
    let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let mut worker = Program::unruly_as(&database, name, &collector.url).await;
    let arguments = format!(
        "'follow', input => '[\"a\", \"b\"]', traceparent => '{}'",
        ours()
    );
    database.enqueue(&arguments).await.unwrap();
    eventually("it and those that follow should be over", async || {
        database.count("ringback.job_history").await == 3
    })
    .await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    let runs = collector.named("run", TRACE, 3).await;
    assert_eq!(runs[0].parent, SPAN);
    assert_eq!(collector.one("gather", TRACE).await.parent, runs[0].id);
    for run in &runs[1..] {
        assert_eq!(run.parent, runs[0].id);
        says(run, &[("task.name", "count")]);
    }
    // Nothing else that the process does is a span.
    assert_eq!(collector.spans().len(), 4, "{:?}", collector.spans());
}

#[tokio::test]
async fn a_collector_that_is_away_or_never_answers_holds_up_no_job_and_no_end() {
    let function = failing_once().await;
    // One port where nobody listens, and one where nobody reads.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let [away, mute] = [&gone, &silent].map(|it| format!("http://{}", it.local_addr().unwrap()));
    drop(gone);
    // Of many exports that fail, one is told of; of the last, which was given up, the end is.
    for (url, said) in [
        (away, "spans could not be exported, and are lost"),
        (mute, "the last spans could not be exported"),
    ] {
        let mut fleet = Fleet::new(&function, &url).await;
        let mut client = Client::connect(&fleet.gateway).await;
        for _ in 0..20 {
            client
                .submit_with("once", json!({"traceparent": ours()}))
                .await;
            assert!(client.next().await.text().contains(TRACE));
        }
        let ended = fleet.stop().await;
        assert!(ended < Duration::from_secs(15), "{ended:?}");
        for program in [&fleet.worker, &fleet.gateway] {
            let output = program.output();
            let lines = output.lines().filter(|line| line.contains(said));
            assert_eq!(lines.count(), 1, "{output}");
        }
    }
}
