//! `ringback jobs`: what an operator does with jobs.

mod cancel;
mod export;
mod filter;
mod list;
mod many;
mod prune;
mod retry;
mod show;
mod stats;
mod wait;

use clap::{Args, Subcommand};

pub(super) use list::shown;

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
    /// Waits for a job, and prints its result
    Wait(wait::Wait),
    /// Cancels jobs: those that wait end at once, those that run are asked to end
    Cancel(cancel::Cancel),
    /// Retries jobs: those that wait are due now, those that have failed or were cancelled are submitted again
    Retry(retry::Retry),
    /// Deletes jobs that are over before their time, after asking
    Prune(prune::Prune),
    /// Takes the history of some days out, as CSV
    Export(export::Export),
    /// Says how many jobs are in which state, and how the last hour's went
    Stats(stats::Stats),
}

impl Jobs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Verb::List(verb) => verb.run().await,
            Verb::Show(verb) => verb.run().await,
            Verb::Wait(verb) => verb.run().await,
            Verb::Cancel(verb) => verb.run().await,
            Verb::Retry(verb) => verb.run().await,
            Verb::Prune(verb) => verb.run().await,
            Verb::Export(verb) => verb.run().await,
            Verb::Stats(verb) => verb.run().await,
        }
    }
}
