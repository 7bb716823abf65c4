//! The whole program: parses the command line, starts logging, runs the verb.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches};

use super::database::told;
use super::{Cli, UNREAD, exit_code};
use crate::config::{LogFormat, TasksConfig, TelemetryConfig};
use crate::task::{Environment, Tasks, file};
use crate::telemetry::{self, Lines};

/// The file of tasks, where no other is named.
const FILE: &str = "tasks.toml";

/// How long tasks that block their threads may hold up the end of the process.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// The whole of Ringback, with these tasks and no others: every command, the gateway, the worker, the page.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use ringback::Tasks;
/// use ringback::task::from_fn;
///
/// fn main() -> ExitCode {
///     let shout = from_fn("shout", |text: String, _| async move { Ok(text.to_uppercase()) });
///     ringback::run(Tasks::new().with(shout))
/// }
/// ```
///
/// It reads the process's arguments and environment, and `.env`. What it answers is the exit status for `main`.
pub fn run(tasks: Tasks) -> ExitCode {
    run_with(async || Ok(tasks))
}

/// The same for tasks that are made within the runtime, such as those that share a pool of connections.
///
/// They are made for the commands that need them. An error is told, and ends the program.
pub fn run_with(tasks: impl AsyncFnOnce() -> anyhow::Result<Tasks>) -> ExitCode {
    start(own_command(), async |asked| {
        let own = tasks().await.context("could not make the tasks")?;
        match asked.file {
            Some(file) => own.and(file),
            None => Ok(own),
        }
    })
}

/// The same with those of a file, or else with the demonstration tasks.
pub fn run_demonstration() -> ExitCode {
    start(Cli::command(), async |asked| {
        // Whoever has tasks of their own wants no others, least of all one that runs whatever is asked for.
        let demonstration = || Tasks::demonstration(asked.delay_scale);
        Ok(asked.file.unwrap_or_else(demonstration))
    })
}

/// What a command says when it asks for its tasks.
#[derive(Debug)]
pub struct Asked {
    /// Those of its file, where it has one.
    pub(super) file: Option<Tasks>,
    /// How long pretended work takes.
    pub(super) delay_scale: f64,
}

impl Asked {
    pub(super) fn new(
        config: &TasksConfig,
        environment: Environment,
        delay_scale: f64,
    ) -> anyhow::Result<Self> {
        let usual = Path::new(FILE);
        let file = match &config.tasks {
            Some(path) => Some(file::read(path, environment)?),
            None if usual.exists() => Some(file::read(usual, environment)?),
            None => None,
        };
        Ok(Self { file, delay_scale })
    }
}

fn start(
    command: clap::Command,
    tasks: impl AsyncFnOnce(Asked) -> anyhow::Result<Tasks>,
) -> ExitCode {
    // Settings may also stand in a file; the environment goes before it.
    let file = dotenvy::dotenv();
    let matches = command.get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let lines = match cli.telemetry().map(|config| config.log_format) {
        Some(LogFormat::Text) => Lines::Dated,
        Some(LogFormat::Json) => Lines::Json,
        None => Lines::Undated,
    };
    let collector = cli.telemetry().and_then(TelemetryConfig::collector);
    let exported = collector.map_or(Ok(()), telemetry::export_to);
    telemetry::start(cli.log_filter(), lines);
    if let Err(error) = exported {
        tracing::error!("{error:#}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = file
        && !error.not_found()
    {
        tracing::warn!(%error, "the file .env could not be read");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "could not start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(cli.run(tasks));
    runtime.shutdown_timeout(LAST_MOMENT);
    telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = exit_code(&error);
            // Like a program that a broken pipe has ended.
            if code != UNREAD {
                tracing::error!("{}", told(&error));
            }
            ExitCode::from(code)
        }
    }
}

/// The command line of a program of one's own: under its name, and without what only the demonstration has.
fn own_command() -> clap::Command {
    let path = std::env::args_os().next();
    let name = path
        .as_deref()
        .and_then(|path| Path::new(path).file_stem()?.to_str());
    let command = match name {
        Some(name) => Cli::command().name(name.to_owned()).bin_name(name),
        None => Cli::command(),
    };
    ["dev", "worker"].iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| verb.mut_arg("delay_scale", |it| it.hide(true)))
    })
}
