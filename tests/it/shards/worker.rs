//! One worker for several databases.

use std::time::{Duration, Instant};

use super::{OWNERS, Two};
use crate::support::{Api, Client, Program};

#[tokio::test]
async fn jobs_of_all_shards_share_the_slots_of_a_worker() {
    let two = Two::new().await;
    let gateway = two.gateway(&[]).await;
    let arguments = ["worker", "--concurrency", "2", "--queues", "default=1"];
    let databases = ["--database-urls", &two.urls];
    let worker = Program::start_at("", &[&arguments[..], &databases].concat());
    worker.printed("working").await;
    let mut clients = Vec::new();
    for owner in OWNERS {
        clients.push(Client::with_token(&gateway, &two.token(owner)).await);
    }
    let began = Instant::now();
    for client in &mut clients {
        for _ in 0..3 {
            client.submit("default", "x").await;
        }
    }
    for client in &mut clients {
        for _ in 0..3 {
            assert_eq!(client.next().await.action(), "job_result");
        }
    }
    // Each takes a second, and the queue has one slot for all of them.
    assert!(began.elapsed() >= Duration::from_secs(6));
    drop(worker);
}

#[tokio::test]
async fn a_worker_stops_by_itself_when_there_is_nothing_to_do_in_any_database() {
    let two = Two::new().await;
    let gateway = two.gateway(&[]).await;
    let mut dave = Client::with_token(&gateway, &two.token("dave")).await;
    let mut worker = two.worker(&["--until-idle", "5"]).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        dave.submit("default", "x").await;
        assert_eq!(dave.next().await.action(), "job_result");
    }
    // The other has had nothing for longer than that.
    let mut alice = Client::with_token(&gateway, &two.token("alice")).await;
    alice.submit("default", "x").await;
    assert_eq!(alice.next().await.action(), "job_result");
    assert!(worker.ended().await.success(), "{}", worker.output());
}

#[tokio::test]
async fn it_stops_although_it_has_never_reached_one_of_them() {
    let two = Two::on_their_own_servers().await;
    two.databases[1].end_server("INT").await;
    let mut worker = two.worker(&["--until-idle", "1"]).await;
    assert!(worker.ended().await.success(), "{}", worker.output());
}

#[tokio::test]
async fn what_its_start_takes_is_not_taken_for_time_without_work() {
    let two = Two::on_their_own_servers().await;
    let gateway = two.gateway(&[]).await;
    let dave = Api::with_token(&gateway, &two.token("dave"));
    let job = dave.submit("default", "x").await;
    let first = two.databases[0].freeze_server().await;
    let second = two.databases[1].freeze_server().await;
    let limit = Duration::from_secs(6);
    let databases = ["--database-urls", &two.urls];
    let arguments = [&["worker", "--until-idle", "6"], &databases[..]].concat();
    let mut worker = Program::start_at("", &arguments);
    tokio::time::sleep(limit).await;
    // The one that has nothing to do is there first, and it has looked before the other is.
    drop(first);
    worker.printed("shard{number=1}: working").await;
    tokio::time::sleep(limit / 6).await;
    drop(second);
    assert!(worker.ended().await.success(), "{}", worker.output());
    assert_eq!(dave.job(&job).await["state"], "succeeded");
}
