//! Sockets whose other end has gone without a word.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::frames::bare_socket;
use crate::support::{Client, Program, TestDatabase, eventually};

const QUICK: [&str; 4] = ["--ping-every", "300ms", "--ping-patience", "300ms"];

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_with_its_code() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &QUICK).await;
    let mut stream = bare_socket(&gateway).await;
    let mut heard = Vec::new();
    let reading = stream.read_to_end(&mut heard);
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("the gateway should end it")
        .unwrap();
    // A ping, and a close with the code 4009, each a frame of its own.
    let [0x89, 0, 0x88, _, high, low, ..] = heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(u16::from_be_bytes([high, low]), 4009);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_however_silent_it_is() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &QUICK).await;
    let mut client = Client::connect(&gateway).await;
    // The library of the client answers as long as it is read from.
    client.listen_for(Duration::from_secs(3)).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_session_of_a_silent_socket_is_left_and_can_be_resumed() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &QUICK).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    // From here on it is not read from, so it answers nothing.
    eventually("the session should be left", async || {
        database
            .count("ringback.session where gateway_id is null")
            .await
            == 1
    })
    .await;
}
