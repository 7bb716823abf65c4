//! `examples/apalis.rs`: an ordinary apalis program on our queue.

use std::process::Command;

use crate::support::{Client, Program, TestDatabase, eventually, example};

#[tokio::test]
async fn an_ordinary_apalis_program_pushes_to_our_worker_and_runs_what_our_gateway_queued() {
    let database = TestDatabase::new().await;
    let mut apalis =
        Program::spawn(Command::new(example("apalis")).env("DATABASE_URL", &database.url));
    // Its task is known to the fleet before the gateway starts.
    eventually("the task shout should be registered", async || {
        database.count("ringback.task where name = 'shout'").await == 1
    })
    .await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;

    let shouted = client.submit("shout", "hello").await;
    let result = client.next().await;
    assert_eq!(
        (result.job_id(), result.text()),
        (shouted.clone(), "HELLO!")
    );
    eventually("our worker should run what apalis pushed", async || {
        let translated = "ringback.jobs where task = 'translate' and state = 'succeeded' \
             and result = '🌍 Translated: ''good morning'' → ''buenos días'''";
        database.count(translated).await == 1
    })
    .await;
    let by_two = "(select distinct worker_id from ringback.attempts where outcome = 'succeeded')";
    assert_eq!(database.count(&format!("{by_two} as workers")).await, 2);

    apalis.signal("INT");
    assert!(apalis.ended().await.success(), "{}", apalis.output());
}
