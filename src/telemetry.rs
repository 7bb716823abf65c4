//! Logging, set up once, and what is counted.

pub mod figures;
mod readings;
mod traceparent;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

pub use figures::FIGURES;
pub use readings::{Reading, text_of};
pub use traceparent::Traceparent;

/// What the lines of the log are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Text that says when it was written, as a program needs it that runs for long.
    Dated,
    /// Text, as suits one whose lines are read at once.
    Undated,
    /// An object of JSON on each.
    Json,
}

/// Starts logging to standard error; `filter` is the default when `RUST_LOG` says nothing.
pub fn start(filter: &str, lines: Lines) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(lines != Lines::Json && std::io::stderr().is_terminal())
        .with_target(false);
    // A second start in one process (tests do it) keeps the first.
    let _ = match lines {
        Lines::Dated => subscriber.try_init(),
        Lines::Undated => subscriber.without_time().try_init(),
        Lines::Json => {
            std::panic::set_hook(Box::new(log_panic));
            subscriber.json().flatten_event(true).try_init()
        }
    };
}

/// Says of a panic what is otherwise said in lines that are no JSON.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace = match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => Some(backtrace.to_string()),
        _ => None,
    };
    tracing::error!(
        location,
        backtrace,
        "panicked: {}",
        panic.payload_as_str().unwrap_or("without a word")
    );
}
