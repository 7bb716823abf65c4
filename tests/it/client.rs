//! The clients for JavaScript and for Python, against a running gateway, with the network cut under them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringback::auth::Algorithm;

use crate::support::{Issuer, Program, TestDatabase};

fn in_the_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test]
async fn the_client_keeps_its_promises_whatever_happens_to_the_network() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let small = Program::serve(&database, &["--max-frame", "2048"]).await;
    let mut tests = Program::spawn(
        Command::new("node")
            .arg("--test")
            .arg(in_the_project("clients/js/test/client.test.mjs"))
            .env("RINGBACK_ADDRESS", gateway.address())
            .env("RINGBACK_SMALL", small.address()),
    );
    tests.passes().await;
}

#[tokio::test]
async fn the_client_stays_while_its_application_has_tokens() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let _worker = Program::worker(&database, &[]).await;
    let gateway = issuer.serve(&database, &[]).await;
    let scopes = "jobs:submit jobs:read";
    let short = issuer.token_for("alice", scopes, Duration::from_secs(12));
    let mut tests = Program::spawn(
        Command::new("node")
            .arg("--test")
            .arg(in_the_project("clients/js/test/token.test.mjs"))
            .env("RINGBACK_ADDRESS", gateway.address())
            .env("RINGBACK_SHORT", short)
            .env("RINGBACK_LONG", issuer.token("alice", scopes)),
    );
    tests.passes().await;
}

/// Python with what its client needs, where that client is.
fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new(in_the_project("tests/contract/.venv/bin/python"));
    command
        .args(arguments)
        .current_dir(in_the_project("clients/python"))
        .env("PYTHONPATH", "src:tests")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[tokio::test]
async fn the_client_for_python_keeps_its_promises_whatever_happens_to_the_network() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let _unruly = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let small = Program::serve(&database, &["--max-frame", "2048"]).await;
    let mut command = python(&[
        "-m",
        "unittest",
        "discover",
        "-s",
        "tests/client",
        "-t",
        "tests",
    ]);
    let mut tests = Program::spawn(
        command
            .env("RINGBACK_ADDRESS", gateway.address())
            .env("RINGBACK_SMALL", small.address()),
    );
    tests.passes().await;
}

#[tokio::test]
async fn the_client_for_python_stays_while_its_application_has_tokens() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let _worker = Program::worker(&database, &[]).await;
    let gateway = issuer.serve(&database, &[]).await;
    let scopes = "jobs:submit jobs:read";
    let short = issuer.token_for("alice", scopes, Duration::from_secs(12));
    let mut command = python(&[
        "-m",
        "unittest",
        "discover",
        "-s",
        "tests/tokens",
        "-t",
        "tests",
    ]);
    let mut tests = Program::spawn(
        command
            .env("RINGBACK_ADDRESS", gateway.address())
            .env("RINGBACK_SHORT", short)
            .env("RINGBACK_LONG", issuer.token("alice", scopes)),
    );
    tests.passes().await;
}

#[tokio::test]
async fn the_types_of_the_client_for_python_hold() {
    let cache = format!("--cache-dir={}/mypy", env!("CARGO_TARGET_TMPDIR"));
    let mut check = Program::spawn(&mut python(&["-m", "mypy", &cache]));
    check.passes().await;
}

#[tokio::test]
async fn the_types_of_the_client_and_of_the_pages_hold() {
    let mut check = Program::spawn(
        Command::new(in_the_project("tests/contract/node_modules/.bin/tsc"))
            .args([
                "--noEmit",
                "--allowJs",
                "--checkJs",
                "--strict",
                "--target",
                "es2022",
            ])
            .args(["--lib", "es2022,dom,dom.iterable", "--module", "esnext"])
            .args(["--moduleResolution", "bundler"])
            .arg(in_the_project("clients/js/ringback.js"))
            .args(scripts(&in_the_project("static"))),
    );
    check.passes().await;
}

/// Every script in this folder.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                scripts(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} has no scripts", folder.display());
    found
}
