//! Logging, set up once, and what is counted.

pub mod figures;
mod readings;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use figures::FIGURES;
pub use readings::{Reading, text_of};

/// Whether lines say when they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// As a program needs it that runs for long.
    Shown,
    /// As suits one whose lines are read at once.
    Left,
}

/// Starts logging to standard error; `filter` is the default when `RUST_LOG` says nothing.
pub fn start(filter: &str, times: Times) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second start in one process (tests do it) keeps the first.
    let _ = match times {
        Times::Shown => subscriber.try_init(),
        Times::Left => subscriber.without_time().try_init(),
    };
}
