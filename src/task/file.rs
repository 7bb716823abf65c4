//! `tasks.toml`: tasks that are no Rust.
//!
//! ```toml
//! [tasks.thumb]
//! command = ["python3", "thumb.py"]
//! time_limit = "30s"
//!
//! [tasks.invoice]
//! url = "https://example.com/functions/invoice"
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::command::Command;
use super::function::Function;
use super::{Kind, Limits, Options, RetryDelay, Schema, Tasks};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tasks: BTreeMap<String, Entry>,
}

/// One task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    queue: Option<String>,
    max_attempts: Option<i32>,
    #[serde(default, deserialize_with = "duration")]
    time_limit: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    retry_delay: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    longest_retry_delay: Option<Duration>,
    /// How many may run at once, in the whole fleet;
    concurrency: Option<u32>,
    /// how many may start within a time;
    rate: Option<Rate>,
    /// and the same for each concurrency key.
    key_concurrency: Option<u32>,
    key_rate: Option<Rate>,
    command: Option<Vec<String>>,
    url: Option<String>,
    /// JSON Schemas.
    input: Option<Value>,
    output: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    starts: u32,
    #[serde(deserialize_with = "some_duration")]
    period: Duration,
}

/// The tasks of the file at `path`.
///
/// # Errors
/// When it cannot be read, or something in it is not what it should be; the error says where, and what to write.
pub fn read(path: &Path) -> anyhow::Result<Tasks> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the tasks in {}", path.display()))?;
    parse(&text).with_context(|| format!("could not read the tasks in {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Tasks> {
    let file: File = toml::from_str(text)?;
    let mut tasks = Tasks::new();
    for (name, entry) in file.tasks {
        let kind = entry.kind(&name);
        tasks = tasks.with(kind.with_context(|| format!("in [tasks.{name}]"))?);
    }
    Ok(tasks)
}

impl Entry {
    fn kind(mut self, name: &str) -> anyhow::Result<Kind> {
        let options = self.options()?;
        let (input, output) = (schema(self.input.take())?, schema(self.output.take())?);
        let mut kind = match (self.command, self.url) {
            (Some(command), None) => Command { command }.kind(name)?,
            (None, Some(url)) => Function { url }.kind(name)?,
            (None, None) | (Some(_), Some(_)) => bail!("a task has either a command or a url"),
        };
        (kind.options, kind.input, kind.output) = (options, input, output);
        Ok(kind)
    }

    fn options(&self) -> anyhow::Result<Options> {
        let mut options = Options::new();
        if let Some(queue) = &self.queue {
            options = options.queue(queue);
        }
        if let Some(attempts) = self.max_attempts {
            if attempts < 1 {
                bail!("max_attempts is {attempts}, and must be at least 1");
            }
            options = options.max_attempts(attempts);
        }
        if let Some(limit) = self.time_limit {
            options = options.time_limit(limit);
        }
        let default = RetryDelay::default();
        options = options.retry_delay(RetryDelay {
            first: self.retry_delay.unwrap_or(default.first),
            longest: self.longest_retry_delay.unwrap_or(default.longest),
        });
        options.limits = limits(self.concurrency, self.rate);
        options.key_limits = limits(self.key_concurrency, self.key_rate);
        Ok(options)
    }
}

fn limits(concurrency: Option<u32>, rate: Option<Rate>) -> Limits {
    let mut limits = Limits::none();
    if let Some(jobs) = concurrency {
        limits = limits.at_once(jobs);
    }
    if let Some(Rate { starts, period }) = rate {
        limits = limits.starts(starts, period);
    }
    limits
}

fn schema(text: Option<Value>) -> anyhow::Result<Schema> {
    match text {
        None => Ok(Schema::anything()),
        Some(text) => Schema::new(text).map_err(|error| anyhow::anyhow!("no JSON Schema: {error}")),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    some_duration(deserializer).map(Some)
}

/// As everywhere: a number and `ms`, `s`, `m`, `h` or `d`.
fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::config::duration(&text).map_err(D::Error::custom)
}
