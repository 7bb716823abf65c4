//! The keys that tokens are signed and checked with: where they come from, and without which nothing starts.

use std::sync::{Arc, Mutex};

use jsonwebtoken::Header;
use ringback::auth::Algorithm;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{Api, Issuer, Program, TestDatabase, eventually};
use crate::tokens::{ME, claims};

/// Serves a set of keys, over and over, until it is dropped; answers its address.
async fn publish(keys: Arc<Mutex<Option<Value>>>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2_048];
            let _ = stream.read(&mut request).await;
            let keys = keys.lock().unwrap().clone();
            let answer = match keys {
                Some(keys) => {
                    let text = json!({"keys": keys}).to_string();
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                        text.len()
                    )
                }
                None => {
                    "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
                }
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, serving)
}

#[tokio::test]
async fn published_keys_are_fetched_kept_and_fetched_again_when_they_change() {
    let database = TestDatabase::new().await;
    let (first, second) = (Issuer::new(Algorithm::Es256), Issuer::new(Algorithm::Es256));
    let keys = Arc::new(Mutex::new(None));
    let (address, serving) = publish(Arc::clone(&keys)).await;
    let settings = [
        "--auth",
        "jwt",
        "--jwt-algorithm",
        "ES256",
        "--jwt-keys-url",
        &address,
    ];
    let gateway = Program::serve(&database, &settings).await;
    let named = |issuer: &Issuer, name: &str| {
        let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some(name.to_owned());
        issuer.any_with(&header, &claims())
    };
    let ask = async |token: String| Api::with_token(&gateway, &token).get(ME).await;

    // Nobody can tell yet: that is not the client's fault.
    let answer = ask(named(&first, "1")).await;
    answer.is_error(503, "unavailable");
    assert!(answer.retry_after.is_some());

    *keys.lock().unwrap() = Some(json!([first.published("1")]));
    eventually("the keys should be fetched", async || {
        ask(named(&first, "1")).await.status == 200
    })
    .await;
    // Without a name, the only key.
    assert_eq!(ask(first.any(&claims())).await.status, 200);
    assert_eq!(ask(named(&second, "1")).await.status, 401);
    assert_eq!(ask(named(&second, "2")).await.status, 401);

    *keys.lock().unwrap() = Some(json!([second.published("2")]));
    eventually("the new key should be found", async || {
        ask(named(&second, "2")).await.status == 200
    })
    .await;
    assert_eq!(ask(named(&first, "1")).await.status, 401, "it is gone");

    // Those that are known stay good while nobody answers.
    drop(serving);
    assert_eq!(ask(named(&second, "2")).await.status, 200);
}

#[tokio::test]
async fn a_gateway_that_strangers_could_use_does_not_start() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let key = issuer.settings()[5].to_owned();
    let public = Issuer::new(Algorithm::Es256);
    let short = format!("{key}.short");
    std::fs::write(&short, "secret").unwrap();
    for (arguments, reason) in [
        (&["--listen", "0.0.0.0:0"][..], "--auth jwt"),
        (&["--listen", "[::]:0"], "--auth jwt"),
        (&["--jwt-key", &key], "say --auth jwt"),
        (&["--auth", "jwt"], "--jwt-key"),
        (
            &["--auth", "jwt", "--jwt-key", "/no/such/file"],
            "could not read",
        ),
        (&["--auth", "jwt", "--jwt-key", &short], "32 or more"),
        // A public key is no secret.
        (
            &["--auth", "jwt", "--jwt-key", public.settings()[5]],
            "--jwt-algorithm",
        ),
        (
            &[
                "--auth",
                "jwt",
                "--jwt-key",
                &key,
                "--jwt-algorithm",
                "none",
            ],
            "HS256",
        ),
        (
            &[
                "--auth",
                "jwt",
                "--jwt-key",
                &key,
                "--jwt-algorithm",
                "EdDSA",
            ],
            "no public key",
        ),
        (
            &[
                "--auth",
                "jwt",
                "--jwt-algorithm",
                "EdDSA",
                "--jwt-keys-url",
                "http://issuer.example/keys",
            ],
            "https",
        ),
        (
            &[
                "--auth",
                "jwt",
                "--jwt-keys-url",
                "https://issuer.example/keys",
            ],
            "HS256 has a secret",
        ),
    ] {
        let mut refused = Program::start(&database, &[&["serve"], arguments].concat());
        assert!(!refused.ended().await.success(), "{arguments:?}");
        let output = refused.output();
        assert!(output.contains(reason), "{arguments:?}: {output}");
    }
    std::fs::remove_file(short).unwrap();
    // With tokens, it serves others.
    let open = [&issuer.settings()[..], &["--listen", "0.0.0.0:0"]].concat();
    let gateway = Program::start(&database, &[&["serve"], &open[..]].concat());
    gateway.printed("serving").await;
}

#[tokio::test]
async fn the_command_makes_tokens_that_a_gateway_takes() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let key = issuer.settings()[5].to_owned();
    let made = [
        "token",
        "Alice in Wonderland",
        "--jwt-key",
        &key,
        "--scope",
        "jobs:read,admin",
    ];
    let mut token = Program::start(&database, &made);
    assert!(token.ended().await.success(), "{}", token.output());
    let me = Api::with_token(&gateway, token.output().trim())
        .get(ME)
        .await;
    assert_eq!(me.body["subject"], "Alice in Wonderland");
    assert_eq!(me.body["scopes"], json!(["jobs:read", "admin"]));
    assert!(me.body["token_ends_at"].is_string());
    for (arguments, reason) in [
        (&["token", "alice"][..], "--jwt-signing-key"),
        (&["token", "", "--jwt-key", &key], "1 to 255"),
        (
            &["token", "alice", "--jwt-key", &key, "--scope", "everything"],
            "jobs:submit",
        ),
        (
            &["token", "alice", "--jwt-key", &key, "--ttl", "2000d"],
            "a year",
        ),
    ] {
        let mut refused = Program::start(&database, arguments);
        assert!(!refused.ended().await.success(), "{arguments:?}");
        assert!(
            refused.output().contains(reason),
            "{arguments:?}: {}",
            refused.output()
        );
    }
}
