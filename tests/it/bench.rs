//! `ringback bench`: what it finds is what was there.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Program, TestDatabase};

/// The line of JSON that a bench prints at its end.
fn found(program: &Program) -> Value {
    let output = program.output();
    let line = output.lines().find(|line| line.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("no JSON in {output}"));
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn jobs_there_and_back_are_counted_and_nothing_is_missing() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let roundtrip = [
        "bench",
        "roundtrip",
        "--gateway",
        &address,
        "--sockets",
        "3",
        "--in-flight",
        "5",
        "--jobs",
        "100",
    ];
    for (options, keys) in [(vec![], 0), (vec!["--sessions"], 100)] {
        let mut bench = Program::start(&database, &[&roundtrip[..], &options].concat());
        assert!(bench.ended().await.success(), "{}", bench.output());
        let found = found(&bench);
        assert_eq!(found["bench"], "roundtrip");
        assert_eq!(found["settings"]["in_flight"], 5);
        for wrong in [
            "lost",
            "unanswered",
            "duplicated",
            "misrouted",
            "refused",
            "failed",
        ] {
            assert_eq!(found["found"][wrong], 0, "{found}");
        }
        let [p50, max] = ["p50", "max"].map(|of| found["found"]["result"][of].as_f64().unwrap());
        assert!(p50 > 0.0 && max >= p50, "{found}");
        assert!(
            bench.output().contains("jobs per second"),
            "{}",
            bench.output()
        );
        assert_eq!(database.count("ringback.idempotency").await, keys);
    }
    let over = "ringback.job_history where state = 'succeeded' and task = 'default'";
    assert_eq!(database.count(over).await, 200);
    assert_eq!(database.count("ringback.mailbox").await, 0);
}

#[tokio::test]
async fn a_job_that_does_not_come_back_is_lost_and_the_bench_has_failed() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let mut bench = Program::start(
        &database,
        &[
            "bench",
            "roundtrip",
            "--gateway",
            &address,
            "--sockets",
            "2",
            "--in-flight",
            "3",
            "--jobs",
            "50",
            "--patience",
            "3s",
        ],
    );
    assert_eq!(bench.ended().await.code(), Some(6), "{}", bench.output());
    assert_eq!(found(&bench)["found"]["lost"], 6);
}

#[tokio::test]
async fn every_socket_hears_every_notice_of_a_fanout() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    for burst in [&[][..], &["--burst"]] {
        let fanout = [
            "bench",
            "fanout",
            "--gateway",
            &address,
            "--sockets",
            "20",
            "--notices",
            "5",
        ];
        let mut bench = Program::start(&database, &[&fanout[..], burst].concat());
        assert!(bench.ended().await.success(), "{}", bench.output());
        let found = found(&bench);
        assert_eq!(found["found"]["missing"], 0, "{found}");
        assert_eq!(found["settings"]["burst"], json!(!burst.is_empty()));
    }
    assert_eq!(database.count("ringback.notice").await, 10);
}

#[tokio::test]
async fn idle_sockets_cost_the_gateway_memory_and_a_gateway_that_is_not_there_is_named() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let idle = [
        "bench",
        "idle",
        "--sockets",
        "200",
        "--notices",
        "2",
        "--gateway",
    ];
    let mut bench = Program::start(&database, &[&idle[..], &[&address]].concat());
    assert!(bench.ended().await.success(), "{}", bench.output());
    let found = found(&bench);
    let after = found["found"]["bytes_after_notices"].as_f64().unwrap();
    assert!(after > 0.0 && after < 1_000_000.0, "{found}");
    let mut nobody = Program::start(&database, &[&idle[..], &["127.0.0.1:1"]].concat());
    assert_eq!(nobody.ended().await.code(), Some(1));
    assert!(
        nobody
            .output()
            .contains("no gateway of this database serves 127.0.0.1:1"),
        "{}",
        nobody.output()
    );
}

#[tokio::test]
async fn more_sockets_are_open_than_a_shell_allows_files() {
    let database = TestDatabase::new().await;
    let few = |arguments: &str| {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_ringback");
        command.args(["-c", &format!("ulimit -Sn 64; exec {program} {arguments}")]);
        command.env("DATABASE_URL", &database.url);
        Program::spawn(&mut command)
    };
    let gateway = few("serve --listen 127.0.0.1:0");
    gateway.printed("serving").await;
    let mut bench = few(&format!(
        "bench idle --sockets 200 --gateway {}",
        gateway.address()
    ));
    assert!(bench.ended().await.success(), "{}", bench.output());
}

#[tokio::test]
async fn the_queue_is_measured_on_a_postgres_that_is_thrown_away() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command.args(["bench", "queue", "--jobs", "200"]);
    let mut bench = Program::spawn(&mut command);
    assert!(bench.ended().await.success(), "{}", bench.output());
    let found = found(&bench);
    for rate in [
        "enqueued_per_second",
        "enqueued_one_by_one_per_second",
        "drained_per_second",
    ] {
        assert!(found["found"][rate].as_f64().unwrap() > 0.0, "{found}");
    }
    assert!(
        found["found"]["start"]["p50"].as_f64().unwrap() > 0.0,
        "{found}"
    );
}

#[tokio::test]
async fn what_a_client_notices_of_others_is_told_and_it_loses_nothing() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let arguments = [
        "bench",
        "hostile",
        "--gateway",
        &address,
        "--jobs",
        "50",
        "--sockets",
        "6",
    ];
    let mut bench = Program::start(&database, &arguments);
    assert!(bench.ended().await.success(), "{}", bench.output());
    let found = found(&bench);
    for company in ["alone", "beside_load", "beside_hostile"] {
        assert!(
            found["found"][company]["p50"].as_f64().unwrap() > 0.0,
            "{found}"
        );
    }
    assert_eq!(found["found"]["wrong"], 0, "{found}");
    assert!(
        found["found"]["frames_per_second"].as_f64().unwrap() > 0.0,
        "{found}"
    );
}
