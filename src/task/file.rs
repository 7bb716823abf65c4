//! `tasks.toml`: tasks that are no Rust.
//!
//! ```toml
//! [tasks.thumb]
//! command = ["python3", "thumb.py"]
//! time_limit = "30s"
//!
//! [tasks.invoice]
//! url = "https://example.com/functions/invoice"
//! headers = { authorization = "Bearer ${INVOICE_TOKEN}" }
//! secret = "${INVOICE_SECRET}"
//! ```

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::command::{Command, Form, Guardian, Keys};
use super::function;
use super::{Environment, Kind, Limits, Options, RetryDelay, Schema, Tasks};

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
    #[serde(default, deserialize_with = "positive")]
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
    url: Option<String>,
    command: Option<Vec<String>>,
    /// Only commands have these.
    directory: Option<PathBuf>,
    environment: Option<BTreeMap<String, String>>,
    pass_environment: Option<Vec<String>>,
    #[serde(default, deserialize_with = "duration")]
    grace: Option<Duration>,
    max_output: Option<NonZeroUsize>,
    result: Option<Form>,
    pool: Option<NonZeroUsize>,
    jobs_per_process: Option<NonZeroU32>,
    /// How the function at that address is called.
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    secret: Option<String>,
    allow_http: Option<bool>,
    max_response: Option<usize>,
    #[serde(default, deserialize_with = "positive")]
    connect_timeout: Option<Duration>,
    pause_after: Option<u32>,
    callback: Option<bool>,
    #[serde(default, deserialize_with = "positive")]
    callback_limit: Option<Duration>,
    /// JSON Schemas.
    input: Option<Value>,
    output: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    starts: u32,
    #[serde(deserialize_with = "some_positive")]
    period: Duration,
}

/// The tasks of the file at `path`, with what they take from the environment.
///
/// # Errors
/// When it cannot be read, or something in it is not what it should be; the error says where, and what to write.
pub fn read(path: &Path, environment: Environment) -> anyhow::Result<Tasks> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the tasks in {}", path.display()))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    parse(&text, folder, environment)
        .with_context(|| format!("could not read the tasks in {}", path.display()))
}

/// Commands work in `folder`, where they do not say otherwise.
fn parse(text: &str, folder: &Path, environment: Environment) -> anyhow::Result<Tasks> {
    let file: File = toml::from_str(text)?;
    let guardian = Arc::default();
    let mut tasks = Tasks::new();
    for (name, entry) in file.tasks {
        let kind = entry.kind(&name, folder, &guardian, environment);
        tasks = tasks.with(kind.with_context(|| format!("in [tasks.{name}]"))?);
    }
    Ok(tasks)
}

impl Entry {
    fn kind(
        mut self,
        name: &str,
        folder: &Path,
        guardian: &Arc<Guardian>,
        environment: Environment,
    ) -> anyhow::Result<Kind> {
        let mut options = self.options()?;
        let (input, output) = (schema(self.input.take())?, schema(self.output.take())?);
        let (keys, function) = (self.command_keys(), self.function());
        let mut kind = match (self.command, self.url) {
            (Some(command), None) => {
                if let Some(setting) = function.any() {
                    bail!("{setting} is for functions, and this task has a command; leave it out");
                }
                Command::new(command, keys, folder, Arc::clone(guardian))?.kind(name)
            }
            (None, Some(url)) => {
                if let Some(key) = keys.first() {
                    bail!("{key} is for commands, and this task has a url; leave it out");
                }
                options.time_limit.get_or_insert(function::TIME_LIMIT);
                function.kind(name, &url, environment)?
            }
            (None, None) | (Some(_), Some(_)) => bail!("a task has either a command or a url"),
        };
        (kind.options, kind.input, kind.output) = (options, input, output);
        Ok(kind)
    }

    fn command_keys(&mut self) -> Keys {
        Keys {
            directory: self.directory.take(),
            environment: self.environment.take(),
            pass_environment: self.pass_environment.take(),
            grace: self.grace,
            max_output: self.max_output,
            result: self.result,
            pool: self.pool,
            jobs_per_process: self.jobs_per_process,
        }
    }

    fn function(&mut self) -> function::Settings {
        function::Settings {
            method: self.method.take(),
            headers: self.headers.take(),
            secret: self.secret.take(),
            allow_http: self.allow_http,
            max_response: self.max_response,
            connect_timeout: self.connect_timeout,
            pause_after: self.pause_after,
            callback: self.callback,
            callback_limit: self.callback_limit,
        }
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

/// One that is more than none.
fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    some_positive(deserializer).map(Some)
}

fn some_positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = some_duration(deserializer)?;
    match duration.is_zero() {
        true => Err(D::Error::custom("no time at all; say more than 0")),
        false => Ok(duration),
    }
}

/// As everywhere: a number and `ms`, `s`, `m`, `h` or `d`.
fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    crate::config::duration(&text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = parse(text, Path::new("/folder"), Environment::Unread).expect_err(text);
        format!("{error:#}")
    }

    #[test]
    fn a_file_says_what_its_tasks_are_and_may_say_much() {
        let text = r#"
            [tasks.cat]
            command = ["cat"]
            grace = "0s"
            retry_delay = "0s"

            [tasks.thumb]
            command = ["python3", "thumb.py"]
            directory = "pictures"
            environment = { QUALITY = "80" }
            pass_environment = ["PATH"]
            grace = "10s"
            max_output = 1000
            result = "json"
            queue = "pictures"
            max_attempts = 3
            time_limit = "30s"
            retry_delay = "1s"
            longest_retry_delay = "1m"
            concurrency = 4
            rate = { starts = 10, period = "1s" }
            input = { type = "object", required = ["url"], properties = { url = {}, alt = {} } }

            [tasks.kept]
            command = ["./kept"]
            pool = 4
            jobs_per_process = 10
        "#;
        let tasks = parse(text, Path::new("/folder"), Environment::Unread).unwrap();
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["cat", "kept", "thumb"]);
        let thumb = tasks.get("thumb").unwrap();
        assert_eq!(thumb.options.time_limit, Some(Duration::from_secs(30)));
        assert!(thumb.fit(serde_json::json!({})).is_err());
        // As it is written: a form has its fields in this order.
        let fields = thumb.input.text()["properties"].to_string();
        assert_eq!(fields, r#"{"url":{},"alt":{}}"#);
        assert_eq!(
            tasks.get("kept").unwrap().doubt().unwrap(),
            "its working directory is not there, so ./kept cannot be started"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_or_its_task() {
        for (line, words) in [
            (
                "colour = \"red\"",
                "unknown field `colour`, expected one of",
            ),
            ("pool = 0", "nonzero"),
            ("pool = \"two\"", "invalid type: string \"two\""),
            ("grace = \"5 parsecs\"", "is not one of ms, s, m, h, d"),
            (
                "result = \"xml\"",
                "unknown variant `xml`, expected `text` or `json`",
            ),
            ("max_output = 0", "nonzero"),
            ("jobs_per_process = -1", "-1"),
            ("environment = { A = 1 }", "invalid type: integer `1`"),
            ("time_limit = \"0s\"", "say more than 0"),
            ("connect_timeout = \"0ms\"", "say more than 0"),
            ("callback_limit = \"0h\"", "say more than 0"),
            ("rate = { starts = 1, period = \"0s\" }", "say more than 0"),
            ("command = \"cat\"", "duplicate key"),
        ] {
            let error = refused(&format!("[tasks.a]\ncommand = [\"cat\"]\n{line}\n"));
            assert!(error.contains(words) && error.contains("line 3"), "{error}");
        }
        for (lines, words) in [
            ("command = []", "name a program, such as"),
            ("command = [\"\"]", "name a program, such as"),
            ("command = \"cat\"", "expected a sequence"),
            ("queue = \"a\"", "either a command or a url"),
            (
                "command = [\"cat\"]\nurl = \"https://example.com\"",
                "either a command or a url",
            ),
            (
                "url = \"https://example.com\"\npool = 2",
                "pool is for commands, and this task has a url; leave it out",
            ),
            (
                "command = [\"cat\"]\njobs_per_process = 2",
                "say how many with pool = 2, or leave it out",
            ),
            (
                "command = [\"cat\"]\npool = 2\nresult = \"json\"",
                "one that is kept says {\"result\": …}",
            ),
            (
                "command = [\"cat\"]\nenvironment = { \"A B\" = \"x\" }",
                "\"A B\" is no name of a variable",
            ),
            (
                "command = [\"cat\"]\npass_environment = [\"1A\"]",
                "\"1A\" is no name of a variable",
            ),
            ("command = [\"cat\", \"\\u0000\"]", "NUL"),
            (
                "command = [\"cat\"]\nenvironment = { TOKEN = \"${TOKEN}\" }",
                "use pass_environment",
            ),
            (
                "command = [\"cat\"]\nenvironment = { IFS = \"x\" }",
                "the variable IFS belongs to the shell",
            ),
            (
                "command = [\"cat\"]\npass_environment = [\"SHELLOPTS\"]",
                "the variable SHELLOPTS belongs to the shell",
            ),
            (
                "command = [\"cat\"]\npool = 1001",
                "pool is larger than 1000",
            ),
            (
                "command = [\"cat\"]\npool = 9223372036854775807",
                "pool is larger than 1000",
            ),
            ("command = [\"cat\"]\nmax_attempts = 0", "at least 1"),
        ] {
            let error = refused(&format!("[tasks.a]\n{lines}\n"));
            assert!(
                error.contains(words) && (error.contains("[tasks.a]") || error.contains("line 2")),
                "{error}"
            );
        }
    }
}
