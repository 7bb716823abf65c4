//! Behaviour, through real sockets and real processes, against a real Postgres: one database for each test.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod support;

mod access;
mod apalis;
mod bench;
mod bounds;
mod browser;
mod bulk;
mod cancel;
mod client;
mod commands;
mod contract;
mod demand;
mod deploy;
mod dev;
mod doctor;
mod doors;
mod ends_of_commands;
mod enqueue;
mod examples;
mod export;
mod faults;
mod fleet;
mod frames;
mod full;
mod health;
mod help;
mod history;
mod hostile;
#[cfg(target_os = "linux")]
mod hosts;
mod http;
mod idempotency;
mod jobs;
mod keep;
mod keys;
mod later;
mod ledger;
mod limits;
mod lines;
mod logs;
mod metrics;
mod nats;
mod notices;
mod operators;
mod order;
mod overview;
mod own_commands;
mod own_functions;
mod own_tasks;
mod places;
mod poison;
mod pooler;
mod private;
mod processes;
mod prune;
mod recurring;
mod registrants;
mod roles;
mod rolling;
mod scale;
mod sessions;
mod shards;
/// The program of the tutorial, whose tests are run here.
#[path = "../../examples/shout.rs"]
#[expect(dead_code, reason = "it is a program, and not started here")]
mod shout;
mod silence;
mod slow;
mod standby;
mod stops;
mod stream;
mod subjects;
mod throwaway;
mod tickets;
mod tls;
mod tokens;
mod traces;
mod tutorial;
mod two_hundred;
mod warm_commands;
mod wire;

#[path = "../contract/asyncapi.rs"]
mod asyncapi;

#[path = "../contract/openapi.rs"]
mod openapi;
