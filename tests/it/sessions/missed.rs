//! What a client has missed is given to its next socket, wherever that is: all of it, and no more than a mailbox holds.

use std::collections::BTreeSet;

use super::{finished, id, pair};
use crate::support::{Client, Program, TestDatabase, eventually};

#[tokio::test]
async fn what_finishes_while_a_client_is_away_is_given_to_its_next_socket_on_any_gateway() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let mut jobs = BTreeSet::new();
    for content in ["a", "b", "c"] {
        jobs.insert(client.submit("default", content).await);
    }
    drop(client);
    let worker = Program::worker(&database, &[]).await;
    finished(&database, 3).await;

    let mut client = Client::connect(&gateways[1]).await;
    assert!(client.recover(&secret).await.is_empty());
    let results = client.results(3).await;
    assert_eq!(results.keys().cloned().collect::<BTreeSet<_>>(), jobs);
    client.expect_silence().await;

    // Not acknowledged, they come again, with the ids they had; acknowledged, they do not.
    let mut again = Client::connect(&gateways[0]).await;
    again.recover(&secret).await;
    assert_eq!(again.results(3).await, results);
    let ids: Vec<String> = results.values().cloned().collect();
    again.ack(&ids).await;
    database.mailboxes_are_empty().await;
    let mut last = Client::connect(&gateways[0]).await;
    last.recover(&secret).await;
    last.expect_silence().await;

    // What comes on a socket of the session is acknowledged like what was missed.
    last.submit("default", "d").await;
    let result = last.next().await;
    last.ack(&[id(&result)]).await;
    database.mailboxes_are_empty().await;
    drop(worker);
}

#[tokio::test]
async fn a_killed_gateway_costs_a_session_nothing() {
    let database = TestDatabase::new().await;
    let mut gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let mut jobs = BTreeSet::new();
    for turn in 0..50 {
        jobs.insert(client.submit("default", &turn.to_string()).await);
    }
    gateways[0].kill();
    let _worker = Program::worker(&database, &[]).await;
    finished(&database, 50).await;
    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    let results = client.results(50).await;
    assert_eq!(results.into_keys().collect::<BTreeSet<_>>(), jobs);
    client.expect_silence().await;
}

#[tokio::test]
async fn a_session_gets_the_notices_that_came_while_it_was_away_once() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let notify = async |text: &str| {
        let mut notify = Program::start(&database, &["notify", text]);
        assert!(notify.ended().await.success());
    };
    notify("before").await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    notify("seen").await;
    let seen = client.next().await;
    assert_eq!(seen.text(), "seen");
    client.ack(&[id(&seen)]).await;
    eventually("the acknowledgement should be kept", async || {
        database.count("ringback.session where notified = 2").await == 1
    })
    .await;
    drop(client);
    notify("missed").await;
    notify("expired").await;
    database
        .execute("update ringback.notice set expires_at = now() where content = 'expired'")
        .await;

    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    let missed = client.next().await;
    assert_eq!(
        (missed.text(), id(&missed).as_str()),
        ("missed", "notice-3")
    );
    notify("live").await;
    let live = client.next().await;
    assert_eq!(live.text(), "live");
    client.expect_silence().await;
    client.ack(&[id(&missed), id(&live)]).await;
    eventually("the acknowledgement should be kept", async || {
        database.count("ringback.session where notified = 5").await == 1
    })
    .await;
    let mut client = Client::connect(&gateways[0]).await;
    client.recover(&secret).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_mailbox_is_bounded_and_acknowledging_makes_room() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    let mut ids = Vec::new();
    for turn in 0..1_000 {
        client.ask("default", &turn.to_string()).await;
        // Every answer and every result, so that what is refused is refused for what is unacknowledged.
        while ids.len() <= turn {
            let message = client.next().await;
            match message.action() {
                "job_queued" => {}
                "job_result" => ids.push(id(&message)),
                other => panic!("{other}"),
            }
        }
    }
    client.ask("default", "one too many").await;
    let refused = client.next().await.0;
    assert_eq!(refused["payload"][0]["type"], "busy", "{refused}");
    assert!(refused["payload"][0]["retry_after"].is_u64());
    client.ack(&ids[..1]).await;
    client.submit("default", "now there is room").await;
}

#[tokio::test]
async fn a_mailbox_larger_than_an_outbox_is_read_to_its_end() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    let large = "x".repeat(60_000);
    for _ in 0..80 {
        client.ask("default", &large).await;
        while client.next().await.action() != "job_queued" {}
    }
    finished(&database, 80).await;
    drop(client);
    let mut client = Client::connect(&gateway).await;
    client.recover(&secret).await;
    assert_eq!(client.results(80).await.len(), 80);
    client.expect_silence().await;
}
