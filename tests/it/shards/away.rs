//! One of two databases is away: the other's owners go on, and nothing of either is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{OWNERS, Two};
use ringback::shutdown::Stop;

use crate::support::{Api, Client, Message, eventually_within};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(60);

/// What is kept of a client that submits one job after another.
#[derive(Default)]
struct Books {
    acknowledged: BTreeSet<String>,
    results: BTreeSet<String>,
}

/// Submits one job after another until it is told that it is over, and then waits for the results of all. One that may not
/// have been stored is submitted again by the same name.
async fn keep_busy(mut client: Client, over: &Stop) -> Books {
    let mut books = Books::default();
    let mut next = 0;
    loop {
        let key = format!("key {next}");
        let message = json!({
            "action": "system_message", "ref": key,
            "payload": {"task_type": "default", "content": "x", "idempotency_key": key}
        });
        client.send(message).await;
        loop {
            let message = client.next_within(Duration::from_secs(120)).await;
            match message.action() {
                "job_queued" => {
                    books.acknowledged.insert(message.job_id());
                    next += 1;
                    break;
                }
                "error" => {
                    assert_eq!(
                        message.0["payload"][0]["type"], "unavailable",
                        "{message:?}"
                    );
                    break;
                }
                _ => books.hear(&message),
            }
        }
        if over.is_cancelled() {
            break;
        }
    }
    while books.results.len() < books.acknowledged.len() {
        let message = client.next_within(Duration::from_secs(120)).await;
        books.hear(&message);
    }
    client.expect_silence().await;
    books
}

impl Books {
    fn hear(&mut self, message: &Message) {
        assert_eq!(message.action(), "job_result", "{message:?}");
        let is_first = self.results.insert(message.job_id());
        assert!(is_first, "{message:?} came twice");
    }
}

#[tokio::test]
async fn what_one_database_lacks_for_a_minute_the_owners_of_the_other_do_not() {
    let mut two = Two::on_their_own_servers().await;
    let gateway = two.gateway(&[]).await;
    let worker = two.worker(&["--concurrency", "8"]).await;
    let over = Stop::new();
    let mut busy = JoinSet::new();
    for owner in OWNERS {
        let client = Client::with_token(&gateway, &two.token(owner)).await;
        let over = over.clone();
        busy.spawn(async move { (owner, keep_busy(client, &over).await) });
    }
    let history = "ringback.job_history";
    eventually_within(Duration::from_secs(30), "both should be busy", async || {
        two.databases[0].count(history).await > 20 && two.databases[1].count(history).await > 20
    })
    .await;

    two.databases[1].end_server("KILL").await;
    let began = Instant::now();
    let api = Api::of(&gateway);
    let mut before = two.databases[0].count(history).await;
    // The whole time: the first goes on in each part of it.
    for second in (5..=AWAY.as_secs()).step_by(5) {
        tokio::time::sleep_until((began + Duration::from_secs(second)).into()).await;
        let now = two.databases[0].count(history).await;
        assert!(now > before + 10, "{before} and {now} after {second} s");
        before = now;
        let ready = api.get("/readyz").await;
        assert_eq!(ready.status, 200);
        assert!(
            ready
                .text()
                .contains("shard 2: the database cannot be reached"),
            "{ready:?}"
        );
    }
    let operator = Api::with_token(&gateway, &two.issuer.token("root", "admin"));
    let metrics = operator.get("/metrics").await;
    let metrics = metrics.text();
    assert!(
        metrics.contains("ringback_database_up{asked=\"queues\"} 0.0"),
        "{metrics}"
    );

    two.databases[1].start_server().await;
    let after = two.databases[1].count(history).await;
    eventually_within(
        Duration::from_secs(60),
        "the second should go on",
        async || two.databases[1].count(history).await > after + 20,
    )
    .await;
    over.cancel();
    while let Some(ended) = busy.join_next().await {
        let (owner, books) = ended.unwrap();
        let database = &two.databases[usize::from(owner != OWNERS[0])];
        assert_eq!(books.results, books.acknowledged);
        // What was acknowledged has run, and there is nothing else.
        let all = i64::try_from(books.acknowledged.len()).unwrap();
        assert_eq!(database.count(history).await, all);
        assert_eq!(database.count("ringback.job").await, 0);
    }
    drop(worker);
}
