//! `ringback completions`: what a shell needs to complete our commands.

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::say;

/// Settings of `completions`.
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "ringback", &mut script);
        let script = String::from_utf8(script).context("the completions are no text")?;
        say(script.trim_end())
    }
}
