//! Ringback: a job backend with a durable Postgres queue.
pub mod asyncapi;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod ids;
pub mod notice;
pub mod postgres;
pub mod queue;
pub mod shutdown;
pub mod sweeper;
pub mod task;
pub mod telemetry;
pub mod wire;
pub mod worker;
