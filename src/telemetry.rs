//! Logging and the export of spans, set up once, and what is counted.

mod export;
pub mod figures;
mod readings;
mod spans;
mod traceparent;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

pub use export::{export_to, flush};
pub use figures::FIGURES;
pub use readings::{Reading, text_of};
pub use spans::{Run, Submit, delivered, span_start};
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
    let log = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(lines != Lines::Json && std::io::stderr().is_terminal())
        .with_target(false);
    let log = match lines {
        Lines::Dated => log.boxed(),
        Lines::Undated => log.without_time().boxed(),
        Lines::Json => {
            std::panic::set_hook(Box::new(log_panic));
            log.json().flatten_event(true).boxed()
        }
    };
    let registry = tracing_subscriber::registry();
    // A second start in one process (tests do it) keeps the first.
    let _ = match export::layer() {
        // What is logged is not what is exported.
        Some(export) => registry
            .with(vec![log.with_filter(filter).boxed(), export])
            .try_init(),
        None => registry.with(log).with(filter).try_init(),
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
