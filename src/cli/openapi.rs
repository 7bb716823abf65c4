//! `ringback openapi`: prints the contract of HTTP.

use clap::Args;

use super::output::say;
use super::program::Asked;
use crate::config::TasksConfig;
use crate::openapi;
use crate::task::{Environment, Tasks};

/// Settings of `openapi`.
#[derive(Args, Debug)]
pub(super) struct Openapi {
    #[command(flatten)]
    tasks: TasksConfig,
}

impl Openapi {
    /// What there is to say when it asks for its tasks: it runs none.
    pub(super) fn asked(&self) -> anyhow::Result<Asked> {
        Asked::new(&self.tasks, Environment::Unread, 1.0)
    }
}

pub(super) fn run(tasks: &Tasks) -> anyhow::Result<()> {
    say(openapi::text(&tasks.forms()).trim_end())
}
