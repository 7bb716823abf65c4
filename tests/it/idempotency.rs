//! The same submission, made again, is the same job: whoever makes it, wherever, and whenever.

use std::collections::{HashMap, HashSet};

use ringback::ids::{ClaimId, JobId, JobIds};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use ringback::queue::{Answer, Ended, Ending, Rows, Try, commit, keys};
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use crate::scale::job;
use crate::support::{Client, Message, PATIENCE, Program, TestDatabase, eventually};

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
    keys::expire(link.connected().await.unwrap()).await.unwrap();
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

#[tokio::test]
async fn a_batch_that_is_sent_again_into_its_own_finish_makes_no_second_job() {
    let database = TestDatabase::new().await;
    let (mut link, mut other) = (database.database().link("a"), database.database().link("b"));
    let connection = link.connected().await.unwrap();
    let jobs = [job(JobIds::default().next(std::time::SystemTime::now()))];
    let once = Try {
        again: false,
        hints: true,
    };
    let again = Try {
        again: true,
        ..once
    };
    enqueue(connection, &jobs, once).await.unwrap();
    let claim = ClaimId(Uuid::new_v4());
    claimed(&database, jobs[0].id, claim).await;

    // The finish has deleted the row, and not committed yet.
    let mut finishing = connection.begin().await.unwrap();
    let ended = [Ended {
        id: jobs[0].id,
        claim_id: claim,
        ending: Ending::succeeded(json!("done")),
    }];
    finish(&mut finishing, &ended, once).await.unwrap();
    let connection = other.connected().await.unwrap();
    enqueue(connection, &jobs, again).await.unwrap();
    finishing.commit().await.unwrap();
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_history").await, 1);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_while_it_is_being_stored_is_stored_once() {
    let database = TestDatabase::new().await;
    let (mut link, mut other) = (database.database().link("a"), database.database().link("b"));
    let mut ids = JobIds::default();
    let jobs = [(); 3].map(|()| job(ids.next(std::time::SystemTime::now())));
    let first = Try {
        again: false,
        hints: true,
    };
    // Its connection was cut, and the server has not noticed yet: two of the three are there, and not committed.
    let mut storing = link.connected().await.unwrap().begin().await.unwrap();
    enqueue(&mut storing, &jobs[..2], first).await.unwrap();
    let stored = async {
        eventually("the second insert should wait for the first", async || {
            database.count("pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()").await == 1
        })
        .await;
        storing.commit().await.unwrap();
    };
    let resent = commit(&mut other, Rows::New(&jobs), Some(PATIENCE));
    let (answers, ()) = tokio::join!(resent, stored);
    let is_stored = |answer: &Answer| matches!(answer, Answer::Stored);
    assert!(answers.iter().all(is_stored), "{answers:?}");
    assert_eq!(database.count("ringback.job").await, 3);

    // Whoever gives ids of their own may give one twice.
    let id = ids.next(std::time::SystemTime::now());
    let twice = [job(id), job(id)];
    let answers = commit(&mut other, Rows::New(&twice), Some(PATIENCE)).await;
    assert!(answers.iter().all(is_stored), "{answers:?}");
    assert_eq!(database.count("ringback.job").await, 4);
}

#[tokio::test]
async fn an_outcome_is_recorded_once_and_only_that_of_the_claim() {
    let database = TestDatabase::new().await;
    let mut link = database.database().link("a");
    let jobs = [job(JobIds::default().next(std::time::SystemTime::now()))];
    commit(&mut link, Rows::New(&jobs), Some(PATIENCE)).await;
    let id = jobs[0].id;
    let [lost, held] = [(); 2].map(|()| ClaimId(Uuid::new_v4()));
    claimed(&database, id, held).await;
    let ended = |claim_id: ClaimId, result: &str| Ended {
        id,
        claim_id,
        ending: Ending::succeeded(json!(result)),
    };
    // Both in one batch, as a worker may that has lost a claim and has the same job again.
    let both = [ended(lost, "too late"), ended(held, "done")];
    commit(&mut link, Rows::Ended(&both), Some(PATIENCE)).await;
    let result = async || -> String {
        let result = "select result #>> '{}' from ringback.job_history";
        sqlx::query_scalar(result)
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    assert_eq!(result().await, "done");

    // However it came back, it is over: beside another, which is recorded.
    let other = job(JobIds::default().next(std::time::SystemTime::now()));
    let back = [jobs[0].clone(), other];
    commit(&mut link, Rows::New(&back[1..]), Some(PATIENCE)).await;
    sqlx::query(
        "insert into ringback.job select (jsonb_populate_record(job, jsonb_build_object('id', $1::uuid))).* from ringback.job",
    )
    .bind(id.0)
    .execute(&database.pool)
    .await
    .unwrap();
    let again = [(); 2].map(|()| ClaimId(Uuid::new_v4()));
    let mut second = Vec::new();
    for (job, claim) in back.iter().zip(again) {
        claimed(&database, job.id, claim).await;
        second.push(Ended {
            id: job.id,
            claim_id: claim,
            ending: Ending::succeeded(json!("done again")),
        });
    }
    let answers = commit(&mut link, Rows::Ended(&second), Some(PATIENCE)).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Answer::Stored)),
        "{answers:?}"
    );
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_history").await, 2);
    assert_eq!(
        database
            .count("ringback.job_history where result #>> '{}' = 'done'")
            .await,
        1
    );
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
