//! The same submission, made again, is the same job: whoever makes it, wherever, and whenever.

mod batches;

use std::collections::{HashMap, HashSet};

use ringback::ids::{ClaimId, JobId};
use ringback::queue::keys;
use serde_json::json;

use crate::support::{Client, Message, Program, TestDatabase};

/// How many keys many clients use at once.
const KEYS: usize = 25;

impl Client {
    pub(crate) async fn ask_with_key(&mut self, content: &str, key: &str) {
        let payload = json!({"task_type": "default", "content": content, "idempotency_key": key});
        self.send(json!({"action": "system_message", "payload": payload}))
            .await;
    }

    /// Submits with a key and waits until it is queued; gives the job's id.
    pub(crate) async fn submit_with_key(&mut self, content: &str, key: &str) -> String {
        self.ask_with_key(content, key).await;
        let answer = self.next().await;
        assert_eq!(answer.action(), "job_queued", "{answer:?}");
        assert!(answer.text().contains(&answer.job_id()));
        answer.job_id()
    }
}

fn is_result(message: &Message, job: &str, text: &str) -> bool {
    message.action() == "job_result" && message.job_id() == job && message.text() == text
}

#[tokio::test]
async fn a_key_gives_the_same_job_also_elsewhere_and_everyone_who_asked_hears_of_it() {
    let database = TestDatabase::new().await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let mut clients = [
        Client::connect(&gateways[0]).await,
        Client::connect(&gateways[1]).await,
        Client::connect(&gateways[1]).await,
    ];
    let mut ids = HashSet::new();
    for client in &mut clients {
        ids.insert(client.submit_with_key("a", "k").await);
        // On the same socket as well.
        ids.insert(client.submit_with_key("a", "k").await);
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(database.count("ringback.jobs").await, 1);

    let _worker = Program::worker(&database, &[]).await;
    let job = ids.into_iter().next().unwrap();
    for client in &mut clients {
        let result = client.next().await;
        assert!(is_result(&result, &job, "✅ Processed: A"), "{result:?}");
    }
    for client in &mut clients {
        client.expect_silence().await;
    }
}

#[tokio::test]
async fn a_key_of_a_finished_job_gives_its_result_at_once() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut first = Client::connect(&gateway).await;
    let job = first.submit_with_key("a", "k").await;
    assert!(is_result(&first.next().await, &job, "✅ Processed: A"));

    // The asker is gone, and so is the gateway.
    drop((first, gateway));
    let gateway = Program::serve(&database, &[]).await;
    let mut second = Client::connect(&gateway).await;
    assert_eq!(second.submit_with_key("a", "k").await, job);
    assert!(is_result(&second.next().await, &job, "✅ Processed: A"));
    second.expect_silence().await;
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn a_key_for_another_request_is_a_conflict() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit_with_key("a", "k").await;
    client.ask_with_key("b", "k").await;
    let error = client.next().await.0;
    assert_eq!(error["payload"][0]["type"], "conflict");
    let place = json!(["system_message", "payload", "idempotency_key"]);
    assert_eq!(error["payload"][0]["loc"], place);
    client.submit_with_key("b", "another").await;
    assert_eq!(database.count("ringback.jobs").await, 2);
}

#[tokio::test]
async fn a_key_whose_time_is_over_is_a_new_one() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--keep-keys", "1h"]).await;
    let mut client = Client::connect(&gateway).await;
    let first = client.submit_with_key("a", "k").await;
    let soon = "ringback.idempotency where expires_at between now() + interval '59 min' and now() + interval '1 h'";
    assert_eq!(database.count(soon).await, 1);

    database
        .execute("update ringback.idempotency set expires_at = now() - interval '1 s'")
        .await;
    let second = client.submit_with_key("b", "k").await;
    assert_ne!(first, second);
    assert_eq!(client.submit_with_key("b", "k").await, second);

    client.submit_with_key("c", "old").await;
    database
        .execute(
            "update ringback.idempotency set expires_at = now() - interval '1 s' where key = 'old'",
        )
        .await;
    let mut link = database.database().link("test");
    keys::expire(&mut link).await.unwrap();
    assert_eq!(database.count("ringback.idempotency").await, 1);
}

#[tokio::test]
async fn many_who_use_a_key_at_the_same_moment_make_one_job() {
    let database = TestDatabase::new().await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let _worker = Program::worker(&database, &[]).await;
    let mut clients = Vec::new();
    for turn in 0..12 {
        clients.push(Client::connect(&gateways[turn % 2]).await);
    }
    // Each asks for all, in an order of its own, so that batches meet in every order.
    let asking = clients
        .iter_mut()
        .enumerate()
        .map(|(turn, client)| async move {
            for step in 0..KEYS {
                let key = (turn * 7 + step * if turn % 2 == 0 { 1 } else { KEYS - 1 }) % KEYS;
                client
                    .ask_with_key(&format!("c{key}"), &format!("k{key}"))
                    .await;
            }
            let mut jobs: HashMap<String, String> = HashMap::new();
            let mut results = HashSet::new();
            while results.len() < KEYS || jobs.len() < KEYS {
                let message = client.next().await;
                match message.action() {
                    "job_queued" => {
                        let key = message.text().split('\'').nth(1).unwrap().to_owned();
                        jobs.insert(key, message.job_id());
                    }
                    "job_result" => {
                        results.insert(message.job_id());
                    }
                    other => panic!("{other}"),
                }
            }
            jobs
        });
    let answers = futures_util::future::join_all(asking).await;
    assert!(answers.iter().all(|jobs| *jobs == answers[0]));
    assert_eq!(
        database.count("ringback.jobs").await,
        i64::try_from(KEYS).unwrap()
    );
    let twice = "ringback.job_history where attempt > 1";
    assert_eq!(database.count(twice).await, 0);
}

/// As a claim leaves it.
pub(crate) async fn claimed(database: &TestDatabase, job: JobId, claim: ClaimId) {
    sqlx::query(
        "update ringback.job set state = 'running', attempt = 1, claim_id = $2, worker_id = gen_random_uuid(),
            started_at = now() where id = $1",
    )
    .bind(job.0)
    .bind(claim.0)
    .execute(&database.pool)
    .await
    .unwrap();
}
