//! Behaviour, through real sockets and real processes, against a real Postgres: one database for each test.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod support;

mod access;
mod apalis;
mod browser;
mod contract;
mod dev;
mod faults;
mod fleet;
mod frames;
mod history;
mod idempotency;
mod ledger;
mod notices;
mod poison;
mod private;
mod scale;
mod sessions;
mod silence;
mod stops;
mod wire;

#[path = "../contract/asyncapi.rs"]
mod asyncapi;
