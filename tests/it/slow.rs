//! Clients with sessions that do not read, or not soon enough: what does not fit stays in the tables.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use ringback::wire::Close;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::sessions::{Secret, id};
use crate::support::{Client, Program, TestDatabase, eventually};

/// More than the kernel holds for one connection, and the outbox.
const JOBS: i64 = 600;
const LENGTH: usize = 40_000;

/// Longer than one write may take.
const WRITE_AND_MORE: Duration = Duration::from_secs(40);

/// More clients than the gateway's pool has connections.
const DEAF: usize = 20;

/// A client that has asked for many large results and then reads nothing until all of them are there.
struct Stalled {
    database: TestDatabase,
    gateway: Program,
    _worker: Program,
    client: Client,
    secret: Secret,
    jobs: HashSet<String>,
}

impl Stalled {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let gateway = Program::serve(&database, &[]).await;
        let mut client = Client::connect(&gateway).await;
        let secret = client.begin().await;
        let mut jobs = HashSet::new();
        for number in 0..JOBS {
            let content = format!("{number} {}", "x".repeat(LENGTH));
            jobs.insert(client.submit("default", &content).await);
        }
        let worker = Program::worker(&database, &[]).await;
        eventually("all should be over", async || {
            database.count("ringback.job_history").await == JOBS
        })
        .await;
        Self {
            database,
            gateway,
            _worker: worker,
            client,
            secret,
            jobs,
        }
    }
}

#[tokio::test]
async fn a_client_that_was_behind_is_given_every_result_on_the_same_socket() {
    let mut stalled = Stalled::new().await;
    let mut bystander = Client::connect(&stalled.gateway).await;
    let job = bystander.submit("default", "a").await;
    assert_eq!(bystander.next().await.job_id(), job);
    for _ in 0..JOBS {
        let result = stalled.client.next().await;
        assert_eq!(result.action(), "job_result");
        assert!(stalled.jobs.remove(&result.job_id()), "once, and its own");
    }
    stalled.client.expect_silence().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_finds_everything_when_it_comes_back() {
    let mut stalled = Stalled::new().await;
    let mut bystander = Client::connect(&stalled.gateway).await;
    bystander.listen_for(WRITE_AND_MORE).await;
    let mut shown = HashSet::new();
    let close = loop {
        match stalled.client.socket.next().await {
            Some(Ok(Frame::Text(text))) => {
                let result: serde_json::Value = serde_json::from_str(&text).unwrap();
                shown.insert(result["job_id"].as_str().unwrap().to_owned());
            }
            Some(Ok(Frame::Close(close))) => break close,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break None,
        }
    };
    // Where there was no room for the reason, the connection is cut.
    if let Some(close) = close {
        assert_eq!(u16::from(close.code), Close::TooSlow.code());
    }
    assert!(shown.len() < stalled.jobs.len());
    let mut second = Client::connect(&stalled.gateway).await;
    assert!(second.recover(&stalled.secret).await.is_empty());
    let count = usize::try_from(JOBS).unwrap();
    let results = second.results(count).await;
    let jobs: HashSet<String> = results.keys().cloned().collect();
    assert_eq!(jobs, stalled.jobs);
    let ids: Vec<String> = results.into_values().collect();
    second.ack(&ids).await;
    stalled.database.mailboxes_are_empty().await;
    second.expect_silence().await;
}

#[tokio::test]
async fn notices_that_do_not_fit_are_read_from_the_table_by_the_socket_or_by_the_next() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut slow = Client::connect(&gateway).await;
    slow.begin().await;
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        let mut client = Client::connect(&gateway).await;
        let secret = client.begin().await;
        deaf.push((client, secret));
    }
    let mut witness = Client::connect(&gateway).await;
    let ringback = database.database();
    let mut link = ringback.link("test");
    let mut sent = Vec::new();
    for number in 1..=400 {
        let text = format!("{number} {}", "n".repeat(60_000));
        let connection = link.connected().await.unwrap();
        let ttl = Duration::from_secs(3_600);
        ringback::notice::send(connection, "system", &text, ttl)
            .await
            .unwrap();
        assert_eq!(witness.next().await.text(), text);
        sent.push(format!("notice-{number}"));
    }
    // Those that do not read keep nothing that others need.
    Client::connect(&gateway).await.begin().await;
    for expected in &sent {
        assert_eq!(id(&slow.next().await), *expected);
    }
    slow.expect_silence().await;

    witness.listen_for(WRITE_AND_MORE).await;
    let (_, secret) = deaf.swap_remove(0);
    drop(deaf);
    let mut second = Client::connect(&gateway).await;
    second.recover(&secret).await;
    let mut shown = BTreeSet::new();
    for expected in &sent {
        let notice = second.next().await;
        assert_eq!(id(&notice), *expected);
        assert!(shown.insert(id(&notice)));
    }
    second.expect_silence().await;
    second.ack(&[sent.last().unwrap().clone()]).await;
    eventually("they should be acknowledged", async || {
        let session = &secret.session;
        let all = format!("ringback.session where notified = 400 and id = '{session}'");
        database.count(&all).await == 1
    })
    .await;
}
