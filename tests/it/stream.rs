//! What jobs say while they run: pieces of text that come once and in their order, and how far they are.

use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::running;
use crate::sessions::{Secret, read};
use crate::support::{Client, Message, Program, TestDatabase, eventually};

/// The text of a job as a client puts it together.
#[derive(Debug, Default)]
struct Text {
    attempt: i64,
    pieces: Vec<String>,
}

impl Text {
    /// Adds a piece, which must be the next one.
    fn add(&mut self, chunk: &Message) {
        assert_eq!(chunk.action(), "job_chunk", "{chunk:?}");
        let attempt = chunk.0["job"]["attempt"].as_i64().unwrap();
        let seq = usize::try_from(chunk.0["job"]["seq"].as_i64().unwrap()).unwrap();
        if attempt > self.attempt {
            self.attempt = attempt;
            self.pieces.clear();
        }
        assert_eq!(
            (attempt, seq),
            (self.attempt, self.pieces.len() + 1),
            "{chunk:?}"
        );
        self.pieces.push(chunk.text().trim_end().to_owned());
    }

    /// Where a client that has so much of it is.
    fn position(&self) -> Value {
        json!([self.attempt, self.pieces.len()])
    }

    fn is_whole(&self, pieces: usize) {
        assert_eq!(self.pieces.len(), pieces);
        for (number, piece) in (1..=pieces).zip(&self.pieces) {
            assert_eq!(*piece, number.to_string());
        }
    }
}

impl Client {
    /// Reads pieces of text, and how far the job is, until something else comes.
    async fn listen(&mut self, text: &mut Text) -> Message {
        loop {
            let message = self.next().await;
            match message.action() {
                "job_chunk" => text.add(&message),
                "job_progress" => {}
                _ => return message,
            }
        }
    }

    async fn resume_with(&mut self, secret: &Secret, have: Value) -> Message {
        let payload = json!({"session": secret.session, "token": secret.token, "have": have});
        self.send(json!({"action": "resume", "payload": payload}))
            .await;
        self.next().await
    }
}

#[tokio::test]
async fn a_text_comes_piece_by_piece_to_who_asks_for_it_and_whole_at_the_end() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client
        .submit_with("generate", json!({"content": "tea", "stream": true}))
        .await;
    let (mut text, mut last) = (String::new(), Value::Null);
    let result = loop {
        let message = client.next().await;
        match message.action() {
            "job_chunk" => text.push_str(message.text()),
            "job_progress" => last = message.0["payload"].clone(),
            _ => break message,
        }
    };
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
    assert!(text.starts_with("🤖 AI Response to 'tea':"));
    assert_eq!(result.text(), text);
    assert!(last.is_null() || last["note"].as_str().unwrap().contains(" pieces"));

    // Without asking for it, the wire is as it always was.
    let job = client.submit("generate", "tea").await;
    let result = client.next().await;
    assert_eq!((result.action(), result.job_id()), ("job_result", job));
    assert_eq!(result.text(), text);
    client.expect_silence().await;
}

#[tokio::test]
async fn a_client_that_comes_back_gets_the_pieces_it_has_not_had() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let job = client.submit("story", "100").await;
    let mut text = Text::default();
    for turn in 1..=4 {
        while text.pieces.len() < turn * 20 {
            text.add(&client.next().await);
        }
        client = Client::connect(&gateways[turn % 2]).await;
        let have = json!({ &job: text.position() });
        let resumed = client.resume_with(&secret, have).await;
        let (_, recovered, pending) = read(&resumed);
        assert!(recovered && pending.contains_key(&job), "{resumed:?}");
    }
    let result = client.listen(&mut text).await;
    assert_eq!(result.action(), "job_result");
    text.is_whole(100);
    client.expect_silence().await;
}

#[tokio::test]
async fn what_a_finished_job_has_said_comes_before_its_result() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    // More than one reading takes.
    let job = client.submit("story", "250").await;
    let mut text = Text::default();
    while text.pieces.len() < 10 {
        text.add(&client.next().await);
    }
    drop(client);
    eventually("the job should be over", async || {
        database.count("ringback.job_history").await == 1
    })
    .await;
    let mut client = Client::connect(&gateway).await;
    client
        .resume_with(&secret, json!({ &job: text.position() }))
        .await;
    let result = client.listen(&mut text).await;
    assert_eq!(result.action(), "job_result");
    text.is_whole(250);

    // Who has nothing of it needs nothing but the result.
    let mut client = Client::connect(&gateway).await;
    client.resume_with(&secret, Value::Null).await;
    assert_eq!(client.next().await.action(), "job_result");
    client.expect_silence().await;
}

#[tokio::test]
async fn a_text_begins_anew_with_the_next_attempt() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client
        .submit_with("story", json!({"content": "50", "stream": true}))
        .await;
    let mut text = Text::default();
    while text.pieces.len() < 10 {
        text.add(&client.next().await);
    }
    first.kill();
    let _second = Program::unruly(&database).await;
    let result = client.listen(&mut text).await;
    assert_eq!(result.action(), "job_result");
    assert_eq!(text.attempt, 2);
    text.is_whole(50);
}

#[tokio::test]
async fn a_text_waits_for_a_database_that_is_away() {
    let mut database = TestDatabase::on_its_own_server().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client
        .submit_with("story", json!({"content": "200", "stream": true}))
        .await;
    let mut text = Text::default();
    while text.pieces.len() < 20 {
        text.add(&client.next().await);
    }
    database.end_server("KILL").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    database.start_server().await;
    let result = client.listen(&mut text).await;
    assert_eq!(result.action(), "job_result");
    assert_eq!(text.attempt, 1);
    text.is_whole(200);
}

#[tokio::test]
async fn who_reads_late_gets_everything_and_slows_nobody() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut slow = Client::connect(&gateway).await;
    // 16 MB: more than the outbox and the buffers on the way hold.
    slow.submit_with("flood", json!({"content": "1000", "stream": true}))
        .await;
    eventually("the job should be over", async || {
        database.count("ringback.job_history").await == 1
    })
    .await;
    let mut other = Client::connect(&gateway).await;
    other.submit("count", "").await;
    assert_eq!(other.next().await.action(), "job_result");
    let mut text = Text::default();
    let result = slow.listen(&mut text).await;
    assert_eq!(result.action(), "job_result");
    text.is_whole(1_000);
}

#[tokio::test]
async fn the_latest_progress_is_stored_and_sent_not_too_often() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    let started = std::time::Instant::now();
    let job = client.submit("busy", "").await;
    running(&database, 1).await;
    let mut told = Vec::new();
    let result = loop {
        let message = client.next().await;
        if message.action() != "job_progress" {
            break message;
        }
        assert_eq!(
            (message.job_id(), &message.0["job"]),
            (job.clone(), &json!({"attempt": 1}))
        );
        assert_eq!(message.0["payload"]["note"], "busy");
        told.push(message.0["payload"]["percent"].as_f64().unwrap());
    };
    assert_eq!(result.action(), "job_result");
    let most = started.elapsed().as_millis() / 100 + 2;
    assert!(
        told.len() > 1 && told.len() as u128 <= most,
        "{} in {:?}",
        told.len(),
        started.elapsed()
    );
    assert!(told.is_sorted(), "{told:?}");

    let job = client.submit("busy", "").await;
    eventually("it should have said how far it is", async || {
        database
            .count("ringback.job where (progress ->> 'percent')::float8 > 10")
            .await
            == 1
    })
    .await;
    let mut client = Client::connect(&gateway).await;
    let resumed = client.resume_with(&secret, Value::Null).await;
    let pending = &resumed.0["payload"]["pending"][0];
    assert_eq!(pending["job_id"], job);
    assert!(pending["progress"]["percent"].as_f64().unwrap() > 10.0);
}

#[tokio::test]
async fn who_has_not_asked_and_has_no_session_hears_nothing_before_the_result() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("story", "5").await;
    assert_eq!(client.next().await.action(), "job_result");
    client.submit("busy", "").await;
    assert_eq!(client.next().await.action(), "job_result");
    client.expect_silence().await;
    assert_eq!(database.count("ringback.job_event").await, 5);
}
