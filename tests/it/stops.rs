//! How processes stop when something is in the way.

use std::io::Write;
use std::net::TcpStream;

use crate::support::{Client, Program, TestDatabase};

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

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("hold", "600").await;
    crate::support::eventually("it should run", async || {
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
