//! How many connections, sockets and streams a gateway has places for, and for whom.

use std::time::Duration;

use ringback::auth::Algorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::bounds::{SCOPES, ping, refused};
use crate::support::{Api, Client, Issuer, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_subject_has_so_many_sockets_and_no_more() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer
        .serve(&database, &["--max-sockets-per-subject", "2"])
        .await;
    let open = async |subject: &str| {
        let token = format!("Bearer {}", issuer.token(subject, SCOPES));
        Client::open(&gateway, "authorization", &token).await
    };
    let first = open("alice").await.ok().unwrap();
    let mut second = open("alice").await.ok().unwrap();
    assert_eq!(open("alice").await.err(), Some(429));
    assert!(open("bob").await.is_ok());
    drop(first);
    eventually("there should be a place again", async || {
        open("alice").await.is_ok()
    })
    .await;
    assert_eq!(refused(&ping(&mut second, 1).await), 0);
}

#[tokio::test]
async fn an_address_behind_a_trusted_proxy_has_so_many_sockets_and_no_more() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let limits = [
        "--max-connections-per-address",
        "2",
        "--trusted-proxies",
        "127.0.0.1",
    ];
    let gateway = issuer.serve(&database, &limits).await;
    let open = async |addresses: &'static str| {
        let api = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
        let ticket = api.post("/api/v1/tickets").await.body["ticket"].clone();
        let protocols = format!("ringback, ringback.ticket.{}", ticket.as_str().unwrap());
        let headers = [
            ("sec-websocket-protocol", protocols.as_str()),
            ("x-forwarded-for", addresses),
        ];
        Client::open_with(&gateway, &headers).await
    };
    let _first = open("192.0.2.7").await.ok().unwrap();
    // Whatever the client says before the proxy names it.
    let second = open("198.51.100.1, 192.0.2.7").await.ok().unwrap();
    assert_eq!(open("192.0.2.7").await.err(), Some(429));
    assert_eq!(open("203.0.113.9, 192.0.2.7").await.err(), Some(429));
    let _other = open("192.0.2.8").await.ok().unwrap();
    drop(second);
    eventually("there should be a place again", async || {
        open("192.0.2.7").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn there_are_so_many_connections_and_no_more() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-connections", "3"]).await;
    let mut first = Client::connect(&gateway).await;
    let second = Client::connect(&gateway).await;
    let _idle = TcpStream::connect(gateway.address()).await.unwrap();
    let shut_out = async || {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let asked = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            gateway.address()
        );
        let _ = stream.write_all(asked.as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer.is_empty()
    };
    eventually("the places should be taken", async || shut_out().await).await;
    assert_eq!(refused(&ping(&mut first, 5).await), 0);
    drop(second);
    eventually("there should be a place again", async || !shut_out().await).await;
}

#[tokio::test]
async fn streams_and_waits_are_counted_with_the_sockets_of_their_subject() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer
        .serve(&database, &["--max-sockets-per-subject", "2"])
        .await;
    let alice = issuer.token("alice", SCOPES);
    let api = Api::with_token(&gateway, &alice);
    let job = api.submit("default", "a").await;
    let stream = api.events(&job, None).await;
    let _socket = Client::with_token(&gateway, &alice).await;
    let path = format!("/api/v1/jobs/{job}");
    for refused in ["/events", "?wait=1"] {
        let answer = api.get(&format!("{path}{refused}")).await;
        answer.is_error(429, "rate_limited");
    }
    assert_eq!(api.get(&path).await.status, 200);
    drop(stream);
    eventually("there should be a place again", async || {
        api.get(&format!("{path}?wait=0.1")).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_not_waited_for() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let since = Instant::now();
    let mut slow = Vec::new();
    for begun in [
        "",
        "GET /healthz HTTP/1.1\r\nHost: ",
        "GET /ws/system/ HTTP/1.1\r\n",
    ] {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // One that goes on a little now and then, and never ends.
    let mut drop_by_drop = TcpStream::connect(gateway.address()).await.unwrap();
    drop_by_drop.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drops = async {
        while drop_by_drop.write_all(b"X-More: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), drops)
        .await
        .expect("it should be cut off");
    for mut stream in slow {
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .expect("it should be cut off");
    }
    assert!(since.elapsed() < Duration::from_secs(45));
    assert_eq!(Api::of(&gateway).get("/healthz").await.status, 200);
}
