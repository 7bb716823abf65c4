//! Behaviour, through real sockets and real processes, against a real Postgres: one database for each test.

mod support;

mod dev;
mod fleet;
mod history;
mod notices;
mod wire;

#[path = "../contract/asyncapi.rs"]
mod asyncapi;
