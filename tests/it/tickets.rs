//! Tickets: what a page buys with a token, for one socket.

use std::process::Command;
use std::time::Duration;

use ringback::auth::Algorithm;
use serde_json::{Value, json};

use crate::support::{Api, Client, Issuer, Message, Program, TestDatabase};

async fn buy(gateway: &Program, token: &str) -> String {
    let answer = Api::with_token(gateway, token)
        .post("/api/v1/tickets")
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["ticket"].as_str().unwrap().to_owned()
}

async fn give(client: &mut Client, ticket: &str) -> Message {
    client
        .send(json!({"action": "authenticate", "payload": {"ticket": ticket}, "ref": "fresh"}))
        .await;
    let answer = client.next().await;
    assert_eq!(answer.0["ref"], "fresh");
    answer
}

fn code(answer: &Message) -> &Value {
    &answer.0["payload"][0]["type"]
}

#[tokio::test]
async fn a_ticket_opens_one_socket_once_on_any_gateway() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let here = issuer.serve(&database, &[]).await;
    let there = issuer.serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let ticket = buy(&here, &issuer.token("alice", "jobs:submit")).await;
    // The tables have nothing that opens a socket.
    let stored = format!("ringback.ticket where position('{ticket}' in ticket::text) > 0");
    assert_eq!(database.count("ringback.ticket").await, 1);
    assert_eq!(database.count(&stored).await, 0);

    let mut client = Client::with_ticket(&there, &ticket).await.ok().unwrap();
    client.submit("default", "a").await;
    assert_eq!(client.next().await.action(), "job_result");
    let owned = "ringback.jobs where owner = 'alice'";
    assert_eq!(database.count(owned).await, 1);
    for gateway in [&here, &there] {
        assert_eq!(Client::with_ticket(gateway, &ticket).await.err(), Some(401));
    }

    // However late its token ends: calendars end before.
    let endless = Duration::from_secs(1_000_000_000_000_000);
    let endless = issuer.token_for("alice", "jobs:submit", endless);
    let ticket = buy(&here, &endless).await;
    assert!(Client::with_ticket(&here, &ticket).await.is_ok());

    let late = buy(&here, &issuer.token("alice", "jobs:submit")).await;
    database
        .execute("update ringback.ticket set expires_at = now() - interval '1 ms'")
        .await;
    assert_eq!(Client::with_ticket(&here, &late).await.err(), Some(401));
    // Nor once the token has ended that it was bought with.
    let ended = buy(&here, &issuer.token("alice", "jobs:submit")).await;
    database
        .execute("update ringback.ticket set token_ends_at = now() - interval '1 ms'")
        .await;
    assert_eq!(Client::with_ticket(&here, &ended).await.err(), Some(401));
    for bad in ["", "x", &"0".repeat(64)] {
        assert_eq!(Client::with_ticket(&here, bad).await.err(), Some(401));
    }
    // Nor does a ticket open anything else, or a token stand for one.
    let other = buy(&here, &issuer.token("alice", "admin")).await;
    let refused = Api::with_token(&here, &other).get("/api/v1/jobs").await;
    refused.is_error(401, "unauthorized");
    let token = issuer.token("alice", "admin");
    assert_eq!(Client::with_ticket(&here, &token).await.err(), Some(401));
    assert!(!there.output().contains(&ticket), "it should not be logged");
}

#[tokio::test]
async fn a_ticket_has_the_scopes_of_its_token_and_no_more() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let ticket = buy(&gateway, &issuer.token("alice", "jobs:read")).await;
    let mut client = Client::with_ticket(&gateway, &ticket).await.ok().unwrap();
    client.ask("default", "a").await;
    assert_eq!(code(&client.next().await), "forbidden");
    let more = buy(&gateway, &issuer.token("alice", "jobs:submit")).await;
    assert_eq!(give(&mut client, &more).await.action(), "authenticated");
    client.submit("default", "a").await;
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_it_is_given_a_fresh_ticket() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let short = issuer.token_for("alice", "jobs:submit", Duration::from_secs(4));
    let mut ends = Client::with_token(&gateway, &short).await;
    let secret = ends.begin().await;
    let mut stays = {
        let ticket = buy(&gateway, &short).await;
        Client::with_ticket(&gateway, &ticket).await.ok().unwrap()
    };
    // Somebody else's, one that is none, and one that was used.
    let others = buy(&gateway, &issuer.token("bob", "jobs:submit")).await;
    assert_eq!(code(&give(&mut stays, &others).await), "forbidden");
    assert_eq!(code(&give(&mut stays, "none").await), "unauthorized");
    let fresh = buy(&gateway, &issuer.token("alice", "jobs:submit")).await;
    let answer = give(&mut stays, &fresh).await;
    assert_eq!(answer.action(), "authenticated");
    assert!(
        answer.0["payload"]["token_ends_at"].is_string(),
        "{answer:?}"
    );
    assert_eq!(code(&give(&mut stays, &fresh).await), "unauthorized");

    let close = ends
        .closed()
        .await
        .expect("it should be closed with a code");
    assert_eq!(u16::from(close.code), 4011);
    assert!(close.reason.contains("come back"), "{close:?}");
    let socket = Client::open(&gateway, "authorization", &format!("Bearer {short}")).await;
    assert_eq!(socket.err(), Some(401));
    // Its session is still there for a fresh token of the same subject.
    let mut back = Client::with_token(&gateway, &issuer.token("alice", "jobs:submit")).await;
    back.recover(&secret).await;

    stays.submit("default", "still here").await;
    assert_eq!(stays.next().await.action(), "job_result");
}

#[tokio::test]
async fn secrets_are_in_no_log_at_any_level() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let arguments = [
        &["serve", "--listen", "127.0.0.1:0"],
        &issuer.settings()[..],
    ]
    .concat();
    let gateway = Program::spawn(
        Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(arguments)
            .env("DATABASE_URL", &database.url)
            .env("RUST_LOG", "trace"),
    );
    gateway.printed("serving").await;
    let token = issuer.token("alice", "jobs:submit");
    let ticket = buy(&gateway, &token).await;
    let fresh = buy(&gateway, &token).await;
    let mut client = Client::with_ticket(&gateway, &ticket).await.ok().unwrap();
    assert_eq!(give(&mut client, &fresh).await.action(), "authenticated");
    let session = client.begin().await;
    client.submit("default", "a").await;
    drop(client);
    let mut client = Client::with_token(&gateway, &token).await;
    client.recover(&session).await;
    // What is wrong with a token is said, and not the token.
    let wrong = issuer.token("mallory", "admin") + "x";
    Api::with_token(&gateway, &wrong)
        .get("/api/v1/me")
        .await
        .is_error(401, "unauthorized");

    let password = database
        .url
        .split(':')
        .nth(2)
        .unwrap()
        .split('@')
        .next()
        .unwrap();
    let logged = gateway.output();
    assert!(
        logged.contains("TRACE") || logged.contains("DEBUG"),
        "{logged}"
    );
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in [
        signature(&token),
        signature(&wrong),
        ticket,
        fresh,
        session.token.clone(),
        password.to_owned(),
    ] {
        assert!(
            !secret.is_empty() && !logged.contains(&secret),
            "{secret} is in the log"
        );
    }
}
