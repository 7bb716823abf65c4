//! Whether a gateway says that it lives, and why it cannot do its work.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Api, Program, TestDatabase, eventually};
use crate::tls::Certified;

/// How long the database may take to answer before the gateway does without.
const LIMIT: Duration = Duration::from_secs(2);

/// The same on a machine that is busy; less than a connection that hangs is given.
const SOON: Duration = Duration::from_secs(9);

/// Longer than what was found out is good.
const STALE: Duration = Duration::from_millis(1_100);

/// What `/readyz` answers.
async fn readyz(api: &Api) -> (u16, String) {
    let asked = Instant::now();
    let answer = api.client.get(api.url("/readyz")).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert!(asked.elapsed() < SOON, "{text}");
    (status, text)
}

/// What `ringback health` prints, and how it ends.
async fn health(gateway: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    let url = format!("http://{}", gateway.address());
    let verb = [&["health", "--timeout", "20s", "--url", &url], arguments].concat();
    let mut health = Program::start_at("", &verb);
    let code = health.ended().await.code();
    (code, health.output())
}

#[tokio::test]
async fn a_gateway_says_since_when_its_database_is_away_and_is_ready_again_by_itself() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    assert_eq!(readyz(&api).await, (200, "ready\n".to_owned()));
    assert_eq!(health(&gateway, &[]).await, (Some(0), "ready".to_owned()));

    database.end_server("INT").await;
    eventually("it should not be ready", async || {
        readyz(&api).await.0 == 503
    })
    .await;
    let told = readyz(&api).await.1;
    assert!(
        told.starts_with("the database cannot be reached, since 20"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    let (host, password) = (&database.url.rsplit_once('@').unwrap(), "ringback:");
    let port = host.1.split_once('/').unwrap().0;
    assert!(!told.contains(port) && !told.contains(password), "{told}");
    let (code, printed) = health(&gateway, &[]).await;
    assert_eq!(code, Some(1));
    // It knows since when, also later.
    let told = told.trim_end();
    assert!(printed.lines().any(|line| line == told), "{printed}");
    assert!(printed.contains("has answered 503"), "{printed}");
    // It lives all the same: nothing would be better if it were started again.
    assert_eq!(
        health(&gateway, &["--live"]).await,
        (Some(0), "ok".to_owned())
    );

    database.start_server().await;
    eventually("it should be ready again", async || {
        readyz(&api).await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn a_restart_of_the_database_between_two_questions_is_no_reason() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    assert_eq!(readyz(&api).await.0, 200);
    database.restart_server().await;
    tokio::time::sleep(STALE).await;
    let asked = Instant::now();
    let (status, text) = readyz(&api).await;
    // Only a machine that is too busy to connect may say no; whoever asks a connection that is gone knows at once.
    assert!(status == 200 || asked.elapsed() >= LIMIT, "{text}");
}

#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting_and_is_asked_by_one_connection() {
    let database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    assert_eq!(readyz(&api).await.0, 200);
    let frozen = database.freeze_server().await;
    eventually("it should not be ready", async || {
        readyz(&api).await.0 == 503
    })
    .await;
    let told = join_all((0..50).map(|_| readyz(&api))).await;
    assert!(told.iter().all(|(status, _)| *status == 503), "{told:?}");
    let since = &told[0].1;
    assert!(
        since.starts_with("the database cannot be reached, since"),
        "{since}"
    );
    assert!(told.iter().all(|(_, text)| text == since), "{told:?}");
    drop(frozen);
    eventually("it should be ready again", async || {
        readyz(&api).await.0 == 200
    })
    .await;
    // Also those that were given up while the server was frozen are gone.
    eventually("one connection should have asked", async || {
        let asking = "pg_stat_activity where application_name = 'ringback health'";
        database.count(asking).await == 1
    })
    .await;
}

#[tokio::test]
async fn an_older_schema_is_a_reason_and_a_newer_one_is_none() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let becomes = async |statement: &str, expected: (u16, &str)| {
        database.execute(statement).await;
        tokio::time::sleep(STALE).await;
        eventually("it should be as expected", async || {
            let (status, text) = readyz(&api).await;
            (status, text.as_str()) == expected
        })
        .await;
    };
    let newer = "insert into ringback.migration values (9999, 'newer', now(), true, '', 0)";
    becomes(newer, (200, "ready\n")).await;
    let older = "delete from ringback.migration where version in (3, 20)";
    let reason = "the schema is older than this program: run `ringback migrate`; missing: 3 (job), 20 (registrants)\n";
    becomes(older, (503, reason)).await;
}

#[tokio::test]
async fn a_gateway_that_is_draining_says_so_to_whoever_had_begun_to_ask() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHo")
        .await
        .unwrap();
    // Answered after it, so the gateway has seen it.
    let api = Api::of(&gateway);
    database
        .execute("delete from ringback.migration where version = 20")
        .await;
    assert_eq!(api.get("/healthz").await.status, 200);
    gateway.signal("TERM");
    gateway.printed("stopping: SIGTERM").await;
    let rest = format!("st: {address}\r\n\r\n");
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let (_, reasons) = answer.split_once("\r\n\r\n").unwrap();
    // Every reason, and not only the first.
    let reasons: Vec<&str> = reasons.lines().collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0].contains("missing: 20 (registrants)"),
        "{reasons:?}"
    );
    assert_eq!(reasons[1], "draining: a stop was asked for");
    assert!(gateway.ended().await.success(), "{}", gateway.output());
}

#[tokio::test]
async fn health_asks_where_this_machines_settings_say_also_over_tls() {
    let database = TestDatabase::new().await;
    let certified = Certified::new();
    let (certificate, key) = (certified.path("cert.pem"), certified.path("key.pem"));
    let gateway = Program::serve(&database, &["--tls-cert", &certificate, "--tls-key", &key]).await;
    let ask = |name: &str, value: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringback"));
        command
            .arg("health")
            .env("RINGBACK_LISTEN", gateway.address());
        command.env(name, value);
        command.output().unwrap()
    };
    let asked = ask("RINGBACK_TLS_CERT", &certificate);
    assert!(asked.status.success(), "{asked:?}");
    assert_eq!(asked.stdout, b"ready\n");
    // Without it, it speaks to a gateway that does not understand.
    assert_eq!(ask("NOTHING", "").status.code(), Some(1));
}

#[tokio::test]
async fn health_does_not_wait_for_whoever_says_nothing() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut health = Program::start_at("", &["health", "--url", &url, "--timeout", "300ms"]);
    assert_eq!(health.ended().await.code(), Some(1));
    let output = health.output();
    assert!(output.contains("has not answered within 300ms"), "{output}");
}
