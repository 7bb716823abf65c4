//! Ringback: a job backend with a durable Postgres queue.
//!
//! A client sends a job down a WebSocket; the gateway commits it to the queue and answers; a worker
//! runs it; the result rings back on the same socket. One library with everything in it, and one
//! binary that is its door.
//!
//! # The map
//!
//! Each line may use the lines above it, and nothing else of ours; `tests/tidy.rs` holds it.
//!
//! | Module | What it is for |
//! | --- | --- |
//! | [`auth`], [`shards`] | who somebody is and what they may do, tokens; which of several databases is whose |
//! | [`ids`], [`config`], [`shutdown`], [`telemetry`] | names, settings, stopping, logging and tracing |
//! | [`postgres`], [`wire`], [`task`] | the way to the database; every message; what work is |
//! | [`nats`] | hints that go another way |
//! | [`queue`], [`session`], [`notice`], [`ticket`], [`asyncapi`], [`openapi`] | all SQL of jobs; sessions and their mailboxes; notices; tickets for sockets; the two contracts |
//! | [`sweeper`] | what keeps the tables true without anybody asking |
//! | [`worker`], [`gateway`] | runs jobs; the socket, HTTP and the pages; never each other |
//! | [`bench`](mod@bench), [`testing`] | what is measured; all of it within a test, for those who test their own tasks |
//! | [`cli`] | the verbs |
//!
//! # The path of one job
//!
//! 1. `gateway/socket.rs` reads a frame, and `wire/parse.rs` makes a message of it.
//! 2. `gateway/intake.rs` commits it with the others that are waiting, through `queue`, and puts
//!    `job_queued` in the outbox of its connection.
//! 3. `worker/claimer.rs` claims it; `worker/backend.rs` hands it to apalis.
//! 4. `worker/execution.rs` runs its task.
//! 5. `worker/layer.rs` takes what became of it; `worker/finisher.rs` commits that with the others
//!    that are waiting, through `queue`, which hints the gateway.
//! 6. `gateway/relay.rs` hears the hint, reads the outcome and gives it to `gateway/hub.rs`, which
//!    puts it in the outbox of its connection.
//! 7. `gateway/socket.rs`, the same loop as in step 1, writes it.
//!
//! Over HTTP, `gateway/api/submit.rs` takes the place of the first and the last step.
//!
//! No step goes back. A notice starts at step 5, addressed to the group.

pub mod asyncapi;
pub mod auth;
pub mod bench;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod ids;
pub mod nats;
pub mod notice;
pub mod openapi;
pub mod postgres;
pub mod queue;
pub mod session;
pub mod shards;
pub mod shutdown;
pub mod sweeper;
pub mod task;
pub mod telemetry;
pub mod testing;
pub mod ticket;
pub mod wire;
pub mod worker;

pub use cli::{run, run_with};
pub use task::{Context, Options, Task, TaskError, Tasks};
