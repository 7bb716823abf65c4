//! `ringback asyncapi`: prints the contract of the socket.

use clap::Args;

use super::output::say;
use super::program::Asked;
use crate::asyncapi;
use crate::config::TasksConfig;
use crate::task::{Environment, Tasks};

/// Settings of `asyncapi`.
#[derive(Args, Debug)]
pub(super) struct Asyncapi {
    #[command(flatten)]
    tasks: TasksConfig,
}

impl Asyncapi {
    /// What there is to say when it asks for its tasks: it runs none.
    pub(super) fn asked(&self) -> anyhow::Result<Asked> {
        Asked::new(&self.tasks, Environment::Unread, 1.0)
    }
}

pub(super) fn run(tasks: &Tasks) -> anyhow::Result<()> {
    say(asyncapi::text(&tasks.forms()).trim_end())
}
