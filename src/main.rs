//! The door: parse the command line, start logging, run the verb.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ringback::cli::{Cli, UNREAD, exit_code};
use ringback::telemetry::{self, Times};

/// How long tasks that block their threads may hold up the end of the process.
const LAST_MOMENT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Settings may also stand in a file; the environment goes before it.
    let file = dotenvy::dotenv();
    let cli = Cli::parse();
    telemetry::start(
        cli.log_filter(),
        if cli.is_long() {
            Times::Shown
        } else {
            Times::Left
        },
    );
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
    let result = runtime.block_on(cli.run());
    runtime.shutdown_timeout(LAST_MOMENT);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = exit_code(&error);
            // Like a program that a broken pipe has ended.
            if code != UNREAD {
                tracing::error!("{error:#}");
            }
            ExitCode::from(code)
        }
    }
}
