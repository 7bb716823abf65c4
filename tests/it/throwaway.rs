//! Databases that are thrown away: nobody waits for whoever else is at the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::support::{TestDatabase, eventually};

/// A client that has said who it is, and does not go on.
fn signing_in(options: &PgConnectOptions) -> TcpStream {
    let server = (options.get_host(), options.get_port());
    let mut client = TcpStream::connect(server).unwrap();
    let mut hello = 0x0003_0000_u32.to_be_bytes().to_vec();
    hello.extend(b"user\0ringback\0database\0ringback\0\0");
    let length = u32::try_from(hello.len() + 4).unwrap();
    client.write_all(&length.to_be_bytes()).unwrap();
    client.write_all(&hello).unwrap();
    let mut asked = [0; 64];
    assert!(client.read(&mut asked).unwrap() > 0);
    assert_eq!(asked[0], b'R', "it should be asked for its password");
    client
}

#[tokio::test]
async fn whoever_is_done_waits_for_no_client_that_is_just_signing_in() {
    // The server stops with the last of them.
    let (stays, done) = (TestDatabase::new().await, TestDatabase::new().await);
    let options = PgConnectOptions::from_str(&stays.url).unwrap();
    let its = PgConnectOptions::from_str(&done.url).unwrap();
    let mut within = its.connect().await.unwrap();
    let mut client = signing_in(&options);
    drop(done);
    // Whoever had waited for it would have waited until it was sent away.
    client.set_nonblocking(true).unwrap();
    let answer = client.read(&mut [0; 64]);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(client);
    assert!(within.ping().await.is_err(), "who was in it is sent away");
    assert!(its.connect().await.is_err(), "and nobody else is let in");
    let name = its.get_database().unwrap();
    let kept = format!("pg_database where datname = '{name}'");
    eventually("who comes next should delete it", async || {
        drop(TestDatabase::new().await);
        stays.count(&kept).await == 0
    })
    .await;
}
