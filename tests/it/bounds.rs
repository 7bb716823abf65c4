//! How much a gateway takes of one client, and that another one does not notice.

use std::time::Duration;

use futures_util::StreamExt;
use ringback::auth::Algorithm;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::{Answer, Api, Client, Issuer, Program, TestDatabase, eventually};

const SCOPES: &str = "jobs:submit jobs:read";

async fn serve(database: &TestDatabase, issuer: &Issuer, limits: &[&str]) -> Program {
    Program::serve(database, &[&issuer.settings()[..], limits].concat()).await
}

/// The answers to so many pings that are sent at once, each with its number beside it.
async fn ping(client: &mut Client, times: usize) -> Vec<Value> {
    for number in 0..times {
        client
            .send(json!({"action": "ping", "ref": number.to_string()}))
            .await;
    }
    let mut answers = Vec::new();
    for number in 0..times {
        let answer = client.next().await.0;
        assert_eq!(answer["ref"], number.to_string());
        answers.push(answer);
    }
    answers
}

fn refused(answers: &[Value]) -> usize {
    let refused = answers.iter().filter(|answer| answer["action"] == "error");
    refused
        .inspect(|answer| {
            assert_eq!(answer["payload"][0]["type"], "rate_limited", "{answer}");
            assert_eq!(answer["payload"][0]["retry_after"], 1, "{answer}");
        })
        .count()
}

#[tokio::test]
async fn a_socket_that_sends_too_fast_is_told_so_and_stays() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-rate-per-socket", "50"]).await;
    let (mut fast, mut slow) = (
        Client::connect(&gateway).await,
        Client::connect(&gateway).await,
    );
    let answers = ping(&mut fast, 300).await;
    assert!(refused(&answers[..50]) == 0, "a second's worth is granted");
    assert!(refused(&answers) > 100, "{}", refused(&answers));
    assert_eq!(refused(&ping(&mut slow, 10).await), 0);
    // Nothing was done for what was refused, and what comes later is taken.
    fast.listen_for(Duration::from_secs(1)).await;
    assert_eq!(refused(&ping(&mut fast, 10).await), 0);
}

#[tokio::test]
async fn a_subject_that_asks_too_fast_is_told_so_on_all_its_sockets_and_requests() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &["--max-rate-per-subject", "20"]).await;
    let (alice, bob) = (issuer.token("alice", SCOPES), issuer.token("bob", SCOPES));
    let mut first = Client::with_token(&gateway, &alice).await;
    let mut second = Client::with_token(&gateway, &alice).await;
    ping(&mut first, 100).await;
    assert!(refused(&ping(&mut second, 100).await) > 50);
    let api = Api::with_token(&gateway, &alice);
    ping(&mut first, 100).await;
    let answer = api.get("/api/v1/jobs").await;
    answer.is_error(429, "rate_limited");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    let mut other = Client::with_token(&gateway, &bob).await;
    assert_eq!(refused(&ping(&mut other, 10).await), 0);
    assert_eq!(
        Api::with_token(&gateway, &bob)
            .get("/api/v1/jobs")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_subject_has_so_many_sockets_and_no_more() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &["--max-sockets-per-subject", "2"]).await;
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
    let gateway = serve(&database, &issuer, &limits).await;
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

#[tokio::test]
async fn a_subject_has_so_many_jobs_that_wait_and_another_is_not_kept_from_its_own() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &["--max-waiting-per-subject", "10"]).await;
    let mut alice = Client::with_token(&gateway, &issuer.token("alice", SCOPES)).await;
    for _ in 0..10 {
        alice.submit("default", "a").await;
    }
    let is_busy = async |client: &mut Client| {
        client.ask("default", "one more").await;
        let answer = client.next().await.0;
        let busy = answer["payload"][0]["type"] == "busy";
        assert!(busy || answer["action"] == "job_queued", "{answer}");
        busy
    };
    assert!(is_busy(&mut alice).await);
    let api = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
    let one = json!({"task_type": "default", "content": "one more"});
    api.post_json("/api/v1/jobs", &one)
        .await
        .is_error(503, "busy");
    let many = json!({"jobs": [one]});
    api.post_json("/api/v1/jobs/batch", &many)
        .await
        .is_error(503, "busy");
    assert_eq!(database.count("ringback.job").await, 10);

    let mut bob = Client::with_token(&gateway, &issuer.token("bob", SCOPES)).await;
    assert!(!is_busy(&mut bob).await);
    // Counted anew, they are still as many; when they are over, more may come.
    alice.listen_for(Duration::from_secs(2)).await;
    assert!(is_busy(&mut alice).await);
    let _worker = Program::worker(&database, &[]).await;
    for _ in 0..10 {
        assert_eq!(alice.next().await.action(), "job_result");
    }
    let mut back = Client::with_token(&gateway, &issuer.token("alice", SCOPES)).await;
    eventually("more may come", async || !is_busy(&mut back).await).await;
}

#[tokio::test]
async fn a_content_that_is_too_large_is_refused_and_one_that_just_fits_is_not() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-content", "100"]).await;
    let mut client = Client::connect(&gateway).await;
    let api = Api::of(&gateway);
    client.submit("default", &"x".repeat(100)).await;
    for payload in [
        json!({"task_type": "default", "content": "x".repeat(101)}),
        json!({"task_type": "default", "input": {"text": "x".repeat(100)}}),
    ] {
        let field = if payload["content"].is_null() {
            "input"
        } else {
            "content"
        };
        client
            .send(json!({"action": "system_message", "payload": payload}))
            .await;
        let answer = client.next().await.0;
        let error = &answer["payload"][0];
        assert_eq!(error["type"], "too_large", "{answer}");
        assert_eq!(error["loc"], json!(["system_message", "payload", field]));
        let answer = api.post_json("/api/v1/jobs", &payload).await;
        answer.is_error(422, "too_large");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", field]));
    }
    assert_eq!(database.count("ringback.job").await, 1);
}

/// One client does all it can against the gateway, while another one works.
#[tokio::test]
async fn a_hostile_client_is_refused_where_it_must_be_and_another_loses_nothing() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let limits = [
        "--max-sockets-per-subject",
        "100",
        "--max-waiting-per-subject",
        "1000",
        "--max-rate-per-subject",
        "2000",
    ];
    let gateway = serve(&database, &issuer, &limits).await;
    let _worker = Program::worker(&database, &[]).await;
    let mallory = issuer.token("mallory", SCOPES);
    let attack = async {
        let mut turned_away = 0;
        let mut sockets = Vec::new();
        // A thousand sockets,
        for _ in 0..1_000 {
            let value = format!("Bearer {mallory}");
            match Client::open(&gateway, "authorization", &value).await {
                Ok(socket) => sockets.push(socket),
                Err(status) => {
                    assert_eq!(status, 429);
                    turned_away += 1;
                }
            }
        }
        assert_eq!((sockets.len(), turned_away), (100, 900));
        // ten thousand jobs, of which nobody reads what became of them,
        for turn in 0..100 {
            for socket in &mut sockets {
                let payload = json!({"task_type": "default", "content": turn.to_string()});
                let asked = json!({"action": "system_message", "payload": payload});
                let sent = socket.try_send(&asked.to_string()).await;
                assert!(sent, "the socket stays open");
            }
        }
        // frames that are too large, or nonsense, and bytes that are no frames at all.
        for (number, socket) in sockets.iter_mut().enumerate() {
            match number % 3 {
                0 => socket.try_send(&"x".repeat(1_000_000)).await,
                1 => socket.try_send(&"[".repeat(60_000)).await,
                _ => socket.try_send_bytes(&[0xff; 10_000]).await,
            };
        }
        let mut told = 0;
        for socket in &mut sockets {
            while let Ok(Some(Ok(frame))) =
                tokio::time::timeout(Duration::from_millis(50), socket.socket.next()).await
            {
                let text = frame.to_text().unwrap_or_default();
                told += usize::from(text.contains("rate_limited") || text.contains("busy"));
            }
        }
        assert!(told > 1_000, "only {told} were refused");
    };
    let work = async {
        let mut alice = Client::with_token(&gateway, &issuer.token("alice", SCOPES)).await;
        let mut done = 0;
        for number in 0..300 {
            let content = format!("job {number}");
            let job = alice.submit("default", &content).await;
            let result = alice.next().await;
            assert_eq!((result.action(), result.job_id()), ("job_result", job));
            assert!(result.text().contains(&content.to_uppercase()));
            done += 1;
        }
        done
    };
    let ((), done) = tokio::join!(attack, work);
    assert_eq!(done, 300);
    let theirs = "ringback.jobs where owner = 'alice' and state = 'succeeded'";
    assert_eq!(database.count(theirs).await, 300);
    let waiting = "ringback.jobs where owner = 'mallory'";
    assert!(database.count(waiting).await < 10_000);
    let answer: Answer = Api::with_token(&gateway, &issuer.token("alice", SCOPES))
        .get("/api/v1/jobs")
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_subject_without_a_socket_is_held_to_its_limit_as_well() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &["--max-waiting-per-subject", "5"]).await;
    let api = Api::with_token(&gateway, &issuer.token("alice", SCOPES));
    let mut cancelled = Vec::new();
    for _ in 0..5 {
        let job = api.submit("default", "a").await;
        api.post(&format!("/api/v1/jobs/{job}/cancel")).await;
        cancelled.push(job);
    }
    let one = json!({"task_type": "default", "content": "one more"});
    eventually("five may wait", async || {
        api.post_json("/api/v1/jobs", &one).await;
        database.count("ringback.job").await == 5
    })
    .await;
    // However often it asks, and over whatever time.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        api.post_json("/api/v1/jobs", &one)
            .await
            .is_error(503, "busy");
        let retry = format!("/api/v1/jobs/{}/retry", cancelled[0]);
        api.post(&retry).await.is_error(503, "busy");
        let many = json!({"ids": cancelled});
        api.post_json("/api/v1/jobs/retry", &many)
            .await
            .is_error(503, "busy");
    }
    assert_eq!(database.count("ringback.job").await, 5);
}

#[tokio::test]
async fn streams_and_waits_are_counted_with_the_sockets_of_their_subject() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &["--max-sockets-per-subject", "2"]).await;
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
async fn tickets_are_not_sold_without_end() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = serve(&database, &issuer, &[]).await;
    let api = Api::with_token(&gateway, &issuer.token("alice", ""));
    // All at once, so that it is faster than may be on any machine.
    let bought = (0..300).map(|_| api.post("/api/v1/tickets"));
    let answers = futures_util::future::join_all(bought).await;
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status != 201)
        .collect();
    assert!(refused.len() < answers.len(), "some are sold");
    let first = refused.first().expect("they are sold without end");
    first.is_error(429, "rate_limited");
    let bob = Api::with_token(&gateway, &issuer.token("bob", ""));
    assert_eq!(bob.post("/api/v1/tickets").await.status, 201);
}
