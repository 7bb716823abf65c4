//! The contracts of the socket and of HTTP, with other people's programs; `script/bootstrap --tests` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringback::openapi::Operation;

use crate::support::{DataDir, Program, TestDatabase};

/// A file beside this contract's own tests.
pub(crate) fn beside(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/contract")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run script/bootstrap --tests",
        path.display()
    );
    path
}

#[tokio::test]
async fn the_official_parser_finds_no_fault_with_the_contract() {
    beside("node_modules/@asyncapi/parser");
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asyncapi.json");
    let mut check = Program::spawn(Command::new("node").arg(beside("check.mjs")).arg(contract));
    check.passes().await;
}

#[tokio::test]
async fn a_client_that_chanx_generates_from_a_running_gateway_says_and_hears_every_message() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let _unruly = Program::unruly(&database).await;
    // After them: it looks only now and then for tasks that are new.
    let gateway = Program::serve(&database, &[]).await;
    let address = format!("http://{}", gateway.address());
    let mut client = Program::spawn(
        Command::new(beside(".venv/bin/python"))
            .arg(beside("client.py"))
            .arg(address),
    );
    client.passes().await;
}

#[tokio::test]
async fn schemathesis_finds_no_answer_that_breaks_the_contract_of_http() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let folder = DataDir::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    let mut requests = Program::spawn(
        Command::new(beside(".venv/bin/schemathesis"))
            // It remembers what it has tried in the folder where it runs.
            .current_dir(folder.path())
            .arg("--config-file")
            .arg(beside("schemathesis.toml"))
            .arg("run")
            .arg(format!("http://{}/openapi.json", gateway.address())),
    );
    requests.passes().await;
    let all = Operation::ALL.len();
    assert!(
        requests
            .output()
            .contains(&format!("Selected: {all}/{all}")),
        "{}",
        requests.output()
    );
}
