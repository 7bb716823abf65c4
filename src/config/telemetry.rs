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

    /// Export spans of jobs to this collector, by OTLP over HTTP, such as `http://localhost:4318`; without it, there are none
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = endpoint, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

impl TelemetryConfig {
    /// Where spans are exported to, if they are. An empty setting is as good as none.
    #[must_use]
    pub fn collector(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|url| !url.is_empty())
    }
}

/// What a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines to read.
    Text,
    /// An object of JSON on each line.
    Json,
}

/// An address to which a path can be added.
fn endpoint(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        url => super::public_url(url)
            .map_err(|_| "must be an address such as http://localhost:4318".to_owned()),
    }
}
