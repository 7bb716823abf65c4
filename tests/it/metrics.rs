//! What processes say of themselves for Prometheus.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{Api, Client, Scripts, TestDatabase, eventually};

const TASKS: &str = r#"
[tasks.fine]
command = ["true"]

[tasks.wrong]
command = ["false"]

[tasks.moody]
command = ["sh", "-c", "test -e been || { touch been; exit 75; }"]
retry_delay = "10ms"

[tasks.endless]
command = ["sleep", "60"]
"#;

/// The figures at an address, by name with labels.
pub(crate) async fn figures(address: &str) -> BTreeMap<String, f64> {
    let url = format!("http://{address}/metrics");
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(figure).collect()
}

#[tokio::test]
async fn a_worker_and_a_gateway_count_what_becomes_of_jobs_and_how_long_it_takes() {
    let database = TestDatabase::new().await;
    let scripts = Scripts::new(TASKS);
    let arguments = ["--metrics-listen", "127.0.0.1:0"];
    let worker = scripts.worker(&database, &arguments).await;
    let address = worker.figures_address().await;
    let gateway = scripts.gateway(&database).await;
    let api = Api::of(&gateway);
    let mut client = Client::connect(&gateway).await;
    for _ in 0..3 {
        client.submit("fine", "").await;
        assert_eq!(client.next().await.action(), "job_result");
    }
    let refused = api
        .submit_as(&json!({"task_type": "wrong", "content": "", "run_at": "2020-01-01T00:00:00Z"}))
        .await;
    assert_eq!(api.finished(&refused).await["state"], "failed");
    client.submit("moody", "").await;
    assert_eq!(client.next().await.action(), "job_result");
    let held = client.submit("endless", "").await;
    let running = async || figures(&address).await.get("ringback_running") == Some(&1.0);
    eventually("one should run", running).await;
    client.ask_to_cancel(&held).await;
    assert_eq!(client.next().await.action(), "job_cancelling");
    assert_eq!(client.next().await.action(), "job_cancelled");
    // Its client may hear of that before the worker itself.
    let over = async || figures(&address).await.get("ringback_running") == Some(&0.0);
    eventually("all should be over", over).await;

    let of_worker = figures(&address).await;
    let ended = |task: &str, outcome: &str| {
        let name = format!("ringback_jobs_total{{task=\"{task}\",outcome=\"{outcome}\"}}");
        of_worker.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(ended("fine", "succeeded"), 3.0, "{of_worker:?}");
    assert_eq!(ended("wrong", "failed"), 1.0, "{of_worker:?}");
    assert_eq!(ended("moody", "succeeded"), 1.0, "{of_worker:?}");
    assert_eq!(ended("endless", "cancelled"), 1.0, "{of_worker:?}");
    assert_eq!(of_worker["ringback_retries_total{task=\"moody\"}"], 1.0);
    assert_eq!(of_worker["ringback_running"], 0.0);
    assert_eq!(
        of_worker["ringback_wait_seconds_count{queue=\"default\"}"],
        7.0
    );
    // Not from when it was to start: it was not there yet.
    assert!(of_worker["ringback_wait_seconds_sum{queue=\"default\"}"] < 100.0);
    assert_eq!(of_worker["ringback_run_seconds_count{task=\"fine\"}"], 3.0);
    assert!(of_worker["ringback_claim_seconds_count"] >= 5.0);
    assert!(of_worker["ringback_batch_jobs_sum{part=\"finish\"}"] >= 4.0);
    assert!(of_worker["ringback_hints_total"] >= 4.0, "{of_worker:?}");
    assert!(
        !of_worker
            .keys()
            .any(|name| name.starts_with("ringback_jobs_ready"))
    );

    // A message may be read before it was counted that somebody has it.
    let counted = async || figures(&gateway.address()).await["ringback_delivery_seconds_count"];
    eventually("five should be counted", async || counted().await >= 5.0).await;
    let of_gateway = figures(&gateway.address()).await;
    assert_eq!(of_gateway["ringback_sockets"], 1.0);
    assert_eq!(of_gateway["ringback_outbox_bytes"], 0.0);
    // Each once, however often it was looked at; nobody's socket waited for the one that was submitted by HTTP.
    assert_eq!(
        of_gateway["ringback_delivery_seconds_count"], 5.0,
        "{of_gateway:?}"
    );
    assert!(
        of_gateway["ringback_polled_outcomes_total"] <= 5.0,
        "{of_gateway:?}"
    );
    assert_eq!(of_gateway["ringback_batch_jobs_sum{part=\"enqueue\"}"], 6.0);
    assert_eq!(of_gateway["ringback_jobs_running{queue=\"default\"}"], 0.0);
    assert!(of_gateway["ringback_pool_most{pool=\"work\"}"] >= 1.0);
    assert_eq!(
        of_gateway["ringback_connects_total{part=\"listener\"}"],
        1.0
    );
}
