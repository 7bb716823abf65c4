//! `ringback jobs`: what an operator does with jobs.

mod cancel;
mod list;
mod show;

use clap::{Args, Subcommand};

/// Settings of `jobs`.
#[derive(Args, Debug)]
pub(super) struct Jobs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists jobs, the newest first
    List(list::List),
    /// Shows all there is to know of a job: what was asked for, its attempts, what became of it
    Show(show::Show),
    /// Cancels jobs: those that wait end at once, those that run are asked to end
    Cancel(cancel::Cancel),
}

impl Jobs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Verb::List(verb) => verb.run().await,
            Verb::Show(verb) => verb.run().await,
            Verb::Cancel(verb) => verb.run().await,
        }
    }
}
