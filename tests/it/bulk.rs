//! Many jobs in one message: all or none, with one answer.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{Client, Line, Message, Program, Proxy, TestDatabase};

impl Client {
    async fn ask_for(&mut self, jobs: &[Value]) {
        self.send(json!({"action": "submit_jobs", "payload": {"jobs": jobs}, "ref": "many"}))
            .await;
    }

    /// Submits many jobs, and waits until they are queued; gives their ids.
    async fn submit_all(&mut self, jobs: &[Value]) -> Vec<String> {
        self.ask_for(jobs).await;
        ids(&self.next().await)
    }
}

fn job(content: &str) -> Value {
    json!({"task_type": "default", "content": content})
}

fn keyed(content: &str, key: &str) -> Value {
    json!({"task_type": "default", "content": content, "idempotency_key": key})
}

fn ids(queued: &Message) -> Vec<String> {
    assert_eq!(queued.action(), "jobs_queued", "{queued:?}");
    assert_eq!(queued.0["ref"], "many");
    let ids = queued.0["payload"]["job_ids"].as_array().unwrap();
    ids.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn many_jobs_are_stored_with_one_answer_and_each_has_its_result() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &["--max-frame", "200000"]).await;
    let mut client = Client::connect(&gateway).await;
    let jobs: Vec<Value> = (0..500).map(|number| job(&number.to_string())).collect();
    let ids = client.submit_all(&jobs).await;
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 500);
    let mut results = vec![String::new(); 500];
    for _ in 0..500 {
        let result = client.next().await;
        assert_eq!(result.action(), "job_result");
        let number = ids.iter().position(|id| *id == result.job_id()).unwrap();
        results[number] = result.text().to_owned();
    }
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result, format!("✅ Processed: {number}"));
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn where_one_cannot_be_none_is() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit_with_key("a", "k").await;
    let mut other = Client::connect(&gateway).await;
    let wrong = [
        (json!({"task_type": "default"}), "missing"),
        (keyed("b", "k"), "conflict"),
        (job("refused"), "unstorable"),
    ];
    database
        .execute(
            "create function refuse() returns trigger language plpgsql as $$
             begin
                 if new.input = '\"refused\"' then raise exception 'refused'; end if;
                 return new;
             end
             $$",
        )
        .await;
    database
        .execute("create trigger refuse before insert on ringback.job for each row execute function refuse()")
        .await;
    for (wrong, kind) in wrong {
        client
            .ask_for(&[job("c"), keyed("d", "l"), wrong, job("e")])
            .await;
        other.submit("default", "f").await;
        let error = client.next().await;
        assert_eq!(error.action(), "error");
        assert_eq!(error.0["ref"], "many");
        assert_eq!(error.0["payload"][0]["type"], kind, "{error:?}");
        if kind != "unstorable" {
            let place = &error.0["payload"][0]["loc"];
            assert_eq!(place[3], "2", "{error:?}");
        }
    }
    let stored = "ringback.jobs where content in ('a', 'f')";
    assert_eq!(database.count(stored).await, 4);
    assert_eq!(database.count("ringback.jobs").await, 4);
    assert_eq!(database.count("ringback.idempotency").await, 1);
}

#[tokio::test]
async fn submitted_again_with_their_keys_they_are_the_same_jobs() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let jobs = [keyed("a", "1"), job("b"), keyed("c", "3"), keyed("a", "1")];
    let first = client.submit_all(&jobs).await;
    assert_eq!(first[0], first[3]);
    drop(client);
    let mut client = Client::connect(&gateway).await;
    let again = client.submit_all(&jobs).await;
    assert_eq!(
        (&again[0], &again[2], &again[3]),
        (&first[0], &first[2], &first[0])
    );
    assert_ne!(again[1], first[1]);
    let _worker = Program::worker(&database, &[]).await;
    let mut results = HashSet::new();
    for _ in 0..3 {
        let result = client.next().await;
        assert_eq!(result.action(), "job_result");
        results.insert(result.job_id());
    }
    assert_eq!(results, again.into_iter().collect());
    client.expect_silence().await;
}

#[tokio::test]
async fn jobs_whose_connection_dies_are_stored_once() {
    let database = TestDatabase::new().await;
    let (proxy, url) = Proxy::before_database(&database.url).await;
    let gateway = Program::serve_at(&url, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "a").await;
    assert_eq!(proxy.turn("ringback intake", Line::CutAtAnswer), 1);
    let jobs: Vec<Value> = (0..50).map(|number| job(&number.to_string())).collect();
    let ids = client.submit_all(&jobs).await;
    assert_eq!(ids.len(), 50);
    assert_eq!(database.count("ringback.job").await, 51);
}
