//! A client that does all it can against a gateway, and another one that does not notice.

use std::time::Duration;

use futures_util::StreamExt;
use ringback::auth::Algorithm;
use serde_json::json;

use crate::bounds::SCOPES;
use crate::support::{Answer, Api, Client, Issuer, Program, TestDatabase};

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
    let gateway = issuer.serve(&database, &limits).await;
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
