//! The command line: the verbs, one file each.

mod access;
mod asyncapi;
mod bench;
mod completions;
mod database;
mod dev;
mod doctor;
mod exit;
mod files;
mod fleet;
mod health;
mod jobs;
mod man;
mod migrate;
mod notify;
mod openapi;
mod output;
mod prepare;
mod program;
mod queues;
mod record;
mod recurring;
mod serve;
mod shards;
mod submit;
mod token;
mod url;
mod wait;
mod work;

use clap::{Parser, Subcommand};

use crate::config::TelemetryConfig;
use crate::task::Tasks;
pub use program::{Asked, run, run_demonstration, run_with};

/// A job backend with a durable Postgres queue
#[derive(Debug, Parser)]
#[command(name = "ringback", version, about, propagate_version = true, after_help = exit::MEANINGS)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everything in one process: database, migrations, gateway, worker, page
    Dev(dev::Dev),
    /// A gateway: the socket and the pages
    Serve(serve::Serve),
    /// A worker: claims jobs and runs them
    Worker(work::Work),
    /// Submits a job, and waits for its result if that is wanted
    Submit(submit::Submit),
    /// Sends a notice to everyone who is connected
    Notify(notify::Notify),
    /// Looks after jobs: list, show, wait, cancel, retry, prune, export, stats
    Jobs(jobs::Jobs),
    /// Looks after queues: list, pause, resume
    Queues(queues::Queues),
    /// Looks after recurring jobs: list, set, remove
    Recurring(recurring::Recurring),
    /// Brings the database's schema up to date
    Migrate(migrate::Migrate),
    /// Prints the URL of the database in use, for `psql "$(ringback url)"`
    Url(url::Url),
    /// Says whether a gateway can do its work, and if not, why
    Health(health::Health),
    /// Looks for what is wrong with the database and the fleet, and says what to do
    Doctor(doctor::Doctor),
    /// Makes a token, for development and for operators
    Token(token::Token),
    /// Measures a running gateway, or the queue alone
    Bench(bench::Bench),
    /// Prints the contract of the socket (AsyncAPI 3)
    Asyncapi(asyncapi::Asyncapi),
    /// Prints the contract of HTTP (OpenAPI 3.1)
    Openapi(openapi::Openapi),
    /// Prints what a shell needs to complete these commands
    Completions(completions::Completions),
    /// Writes the manual pages
    Man(man::Man),
}

impl Cli {
    /// What is logged when `RUST_LOG` says nothing.
    #[must_use]
    pub fn log_filter(&self) -> &'static str {
        match self.verb {
            Verb::Dev(_) | Verb::Serve(_) | Verb::Worker(_) | Verb::Migrate(_) => {
                "info,sqlx=warn,apalis_core=warn,async_nats=off"
            }
            Verb::Submit(_)
            | Verb::Notify(_)
            | Verb::Jobs(_)
            | Verb::Queues(_)
            | Verb::Recurring(_)
            | Verb::Url(_)
            | Verb::Health(_)
            | Verb::Doctor(_)
            | Verb::Token(_)
            | Verb::Bench(_)
            | Verb::Asyncapi(_)
            | Verb::Openapi(_)
            | Verb::Completions(_)
            | Verb::Man(_) => "warn,sqlx=error",
        }
    }

    /// What it tells of itself while it runs, if it runs until it is stopped.
    fn telemetry(&self) -> Option<&TelemetryConfig> {
        match &self.verb {
            Verb::Dev(verb) => Some(verb.telemetry()),
            Verb::Serve(verb) => Some(verb.telemetry()),
            Verb::Worker(verb) => Some(verb.telemetry()),
            Verb::Submit(_)
            | Verb::Notify(_)
            | Verb::Jobs(_)
            | Verb::Queues(_)
            | Verb::Recurring(_)
            | Verb::Migrate(_)
            | Verb::Url(_)
            | Verb::Health(_)
            | Verb::Doctor(_)
            | Verb::Token(_)
            | Verb::Bench(_)
            | Verb::Asyncapi(_)
            | Verb::Openapi(_)
            | Verb::Completions(_)
            | Verb::Man(_) => None,
        }
    }

    /// Does what was asked, with the tasks that this gives.
    ///
    /// # Errors
    /// What kept it from that, in words for the person who asked.
    pub async fn run(
        self,
        tasks: impl AsyncFnOnce(Asked) -> anyhow::Result<Tasks>,
    ) -> anyhow::Result<()> {
        match self.verb {
            Verb::Dev(verb) => {
                let tasks = tasks(verb.asked()?).await?;
                // Boxed, since it is large, and made once.
                Box::pin(verb.run(tasks)).await
            }
            Verb::Serve(verb) => {
                let tasks = tasks(verb.asked()?).await?;
                Box::pin(verb.run(tasks)).await
            }
            Verb::Worker(verb) => {
                let tasks = tasks(verb.asked()?).await?;
                Box::pin(verb.run(tasks)).await
            }
            Verb::Submit(verb) => verb.run().await,
            Verb::Notify(verb) => verb.run().await,
            Verb::Jobs(verb) => verb.run().await,
            Verb::Queues(verb) => verb.run().await,
            Verb::Recurring(verb) => verb.run().await,
            Verb::Migrate(verb) => verb.run().await,
            Verb::Url(verb) => verb.run().await,
            Verb::Health(verb) => verb.run().await,
            Verb::Doctor(verb) => verb.run().await,
            Verb::Token(verb) => verb.run(),
            Verb::Bench(verb) => verb.run().await,
            Verb::Asyncapi(verb) => {
                let tasks = tasks(verb.asked()?).await?;
                asyncapi::run(&tasks)
            }
            Verb::Openapi(verb) => {
                let tasks = tasks(verb.asked()?).await?;
                openapi::run(&tasks)
            }
            Verb::Completions(verb) => verb.run(),
            Verb::Man(verb) => verb.run(),
        }
    }
}

/// The exit status of a command whose output nobody reads any more.
pub const UNREAD: u8 = 141;

/// The exit status of a command that has ended with this error.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error
        .downcast_ref::<exit::Exit>()
        .map_or(1, exit::Exit::code)
}
