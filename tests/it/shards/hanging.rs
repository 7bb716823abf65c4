//! One of two databases hangs: it takes what it is asked, and does not answer.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::Two;
use crate::metrics::figures;
use crate::support::{Api, Client, eventually};

/// Less than anybody waits for a database that hangs.
const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn whoever_waits_for_a_database_that_hangs_holds_up_nobody_of_the_other() {
    let two = Two::on_their_own_servers().await;
    let gateway = two.gateway(&["--metrics-listen", "127.0.0.1:0"]).await;
    let address = gateway.figures_address().await;
    let alice = Api::with_token(&gateway, &two.token("alice"));
    let operator = Api::with_token(&gateway, &two.issuer.token("root", "admin"));
    let job = alice.submit("default", "x").await;
    let bought = alice.post("/api/v1/tickets").await;
    let ticket = bought.body["ticket"].as_str().unwrap().to_owned();

    let _frozen = two.databases[1].freeze_server().await;
    // Nothing about a ticket says whose it is: strangers have it looked for everywhere, as many at once as may be.
    let wrong = "0".repeat(64);
    let strangers = join_all((0..6).map(|_| Client::with_ticket(&gateway, &wrong)));
    let meanwhile = async {
        eventually("strangers should wait", async || {
            figures(&address).await["ringback_pool_used{pool=\"work\"}"] >= 2.0
        })
        .await;
        let soon = timeout(SOON, Client::with_ticket(&gateway, &ticket)).await;
        let mut client = soon.expect("the ticket is in the other").ok().unwrap();
        client.submit("default", "y").await;
        let found = timeout(SOON, operator.job(&job)).await;
        assert_eq!(found.expect("the job is in the other")["owner"], "alice");
        let figures = timeout(SOON, operator.get("/metrics")).await;
        let figures = figures.expect("figures do not wait");
        let is_said = figures
            .text()
            .contains("ringback_database_up{asked=\"queues\"} 0.0");
        assert!(is_said, "{figures:?}");
    };
    tokio::select! {
        refused = strangers => panic!("they were to wait: {}", refused.len()),
        () = meanwhile => {}
    }
}

#[tokio::test]
async fn a_worker_with_one_slot_works_for_the_other_database() {
    let two = Two::on_their_own_servers().await;
    let gateway = two.gateway(&[]).await;
    let queues = ["--concurrency", "1", "--queues", "default=1"];
    let worker = two.worker(&queues).await;
    let mut client = Client::with_token(&gateway, &two.token("alice")).await;
    client.submit("default", "x").await;
    assert_eq!(client.next().await.action(), "job_result");

    let _frozen = two.databases[1].freeze_server().await;
    // Until it has been found out, and afterwards.
    let mut jobs = 0;
    while jobs < 3 || !worker.output().contains("could not claim jobs") {
        client.submit("default", "x").await;
        let result = timeout(SOON, client.next()).await;
        let result = result.expect("the other should go on");
        assert_eq!(result.action(), "job_result");
        jobs += 1;
    }
}
