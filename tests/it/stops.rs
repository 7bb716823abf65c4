//! How processes stop when something is in the way.

use std::io::{Read, Write};
use std::net::TcpStream;

use sqlx::Executor;

use crate::support::{Client, PATIENCE, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_gateway_stops_although_a_request_was_never_finished() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &["--shutdown-grace", "1s"]).await;
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    // Answered after it, so the gateway has seen it.
    Client::connect(&gateway).await.expect_silence().await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success(), "{}", gateway.output());
}

/// A worker that serves its figures, and half a request for them.
async fn half_asked(database: &TestDatabase) -> (Program, TcpStream) {
    let worker = Program::worker(database, &["--metrics-listen", "127.0.0.1:0"]).await;
    let address = worker.figures_address().await;
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    // Answered after it, so the worker has seen it.
    let answer = reqwest::get(format!("http://{address}/healthz")).await;
    assert_eq!(answer.unwrap().text().await.unwrap(), "ok\n");
    (worker, stream)
}

#[tokio::test]
async fn a_worker_stops_although_a_request_for_its_figures_was_never_finished() {
    let database = TestDatabase::new().await;
    let (mut worker, _stream) = half_asked(&database).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success(), "{}", worker.output());
}

#[tokio::test]
async fn a_request_for_figures_that_is_never_finished_is_given_up() {
    let database = TestDatabase::new().await;
    let (_worker, mut stream) = half_asked(&database).await;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("it should be closed");
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("hold", "600").await;
    eventually("it should run", async || {
        database.count("ringback.job where state = 'running'").await == 1
    })
    .await;
    worker.signal("TERM");
    worker.printed("stopping: SIGTERM").await;
    worker.signal("TERM");
    assert_eq!(
        worker.ended().await.code(),
        Some(130),
        "{}",
        worker.output()
    );
}

#[tokio::test]
async fn a_gateway_that_cannot_make_itself_known_yet_stops_when_it_is_told_to() {
    let database = TestDatabase::new().await;
    let mut transaction = database.pool.begin().await.unwrap();
    transaction
        .execute("lock table ringback.task in access exclusive mode")
        .await
        .unwrap();
    let mut gateway = Program::start(&database, &["serve", "--listen", "127.0.0.1:0"]);
    let waiting = "pg_locks where not granted and relation = 'ringback.task'::regclass";
    eventually("it should wait for the lock", async || {
        database.count(waiting).await > 0
    })
    .await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success(), "{}", gateway.output());
    transaction.rollback().await.unwrap();
}
