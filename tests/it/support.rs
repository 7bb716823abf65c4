//! What the tests stand on: a database each, programs as processes, clients as sockets.

mod api;
mod balancer;
mod client;
mod data_dir;
mod database;
mod disk;
mod endpoint;
mod issuer;
mod names;
mod nats;
mod past;
mod pgbouncer;
mod program;
mod proxy;
mod scripts;
mod standby;
mod system;

pub(crate) use api::{Answer, Api, Event};
pub(crate) use balancer::{Balancer, haproxy};
pub(crate) use client::{Client, Message};
pub(crate) use data_dir::DataDir;
pub(crate) use database::{TestDatabase, lives, postmaster};
pub(crate) use disk::Disk;
pub(crate) use endpoint::{Endpoint, Reply};
pub(crate) use issuer::Issuer;
pub(crate) use nats::NatsServer;
pub(crate) use past::{BATCH, PARTITIONED, day, keep};
pub(crate) use pgbouncer::PgBouncer;
pub(crate) use program::{Program, example, send};
pub(crate) use proxy::{Line, Proxy};
pub(crate) use scripts::{Scripts, gone};
pub(crate) use standby::Standby;
pub(crate) use system::free_port;

use std::time::Duration;

/// How long anything is waited for before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether what a test takes for one gateway should be three behind a balancer.
fn is_balanced() -> bool {
    std::env::var_os("RINGBACK_TEST_BALANCED").is_some()
}

/// Waits until `condition` holds, looking again and again, and fails with `what` when it takes too long.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) {
    eventually_within(PATIENCE, what, condition).await;
}

/// The same, for what takes its time.
pub(crate) async fn eventually_within(
    patience: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let give_up = tokio::time::Instant::now() + patience;
    while !condition().await {
        assert!(
            tokio::time::Instant::now() < give_up,
            "waited in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
