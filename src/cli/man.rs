//! `ringback man`: the manual pages, one for each command.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::Cli;
use super::output::say;

/// Settings of `man`.
#[derive(Args, Debug)]
pub(super) struct Man {
    /// The folder to write them to, such as ~/.local/share/man/man1; it is made if need be
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let folder = &self.folder;
        let failed = || format!("could not write the manual pages to {}", folder.display());
        std::fs::create_dir_all(folder).with_context(failed)?;
        clap_mangen::generate_to(Cli::command(), folder).with_context(failed)?;
        say(format!(
            "The manual begins with {}",
            folder.join("ringback.1").display()
        ))
    }
}
