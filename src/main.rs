//! The door: Ringback with its demonstration tasks.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringback::cli::run_demonstration()
}
