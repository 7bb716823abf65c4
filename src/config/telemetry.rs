//! Settings that say what a process tells of itself while it runs.

use clap::{Args, ValueEnum};

/// What a process tells of itself.
#[derive(Args, Clone, Debug)]
pub struct TelemetryConfig {
    /// What its log is: lines to read, or an object of JSON on each
    #[arg(
        long,
        env = "RINGBACK_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// What a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines to read.
    Text,
    /// An object of JSON on each line.
    Json,
}
