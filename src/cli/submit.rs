//! `ringback submit`: submits a job, and waits for its result if that is wanted.

use std::io::Read;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::database::{Open, Private};
use super::exit::Exit;
use super::output::{say, say_json};
use super::shards;
use super::wait::{Shows, wait};
use crate::auth::ANONYMOUS;
use crate::config::{DatabaseConfig, duration};
use crate::ids::JobId;
use crate::queue::Due;
use crate::queue::submit::{Request, SubmitError, submit};
use crate::wire::{ErrorItem, TaskPayload, parse_task};

/// For how long an idempotency key is remembered.
const KEEP_KEY: Duration = Duration::from_secs(86_400);

/// Settings of `submit`.
#[derive(Args, Debug)]
pub(super) struct Submit {
    /// The name of the task
    task: String,

    /// The text to work on; - reads it from the standard input
    #[arg(required_unless_present = "input")]
    content: Option<String>,

    /// What to work on, instead of a text: any JSON
    #[arg(long, value_name = "JSON", conflicts_with = "content")]
    input: Option<String>,

    /// It starts at the earliest after this time (ms, s, m, h, d)
    #[arg(long, value_parser = duration, value_name = "TIME", conflicts_with = "run_at")]
    delay: Option<Duration>,

    /// It does not start before this time, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<String>,

    /// Each step is worth a minute of waiting
    #[arg(long, allow_negative_numbers = true, value_name = "STEPS")]
    priority: Option<i64>,

    /// How often it may fail, where that is not as often as its task says
    #[arg(long, value_name = "TIMES")]
    max_attempts: Option<i64>,

    /// Jobs of one task with the same key share the limits that the task has for each key
    #[arg(long, value_name = "KEY")]
    concurrency_key: Option<String>,

    /// A name for this submission: the same again, with the same name, is the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Waits until it is over, and prints its result; otherwise its id is printed
    #[arg(long)]
    wait: bool,

    /// How long to wait, at most (ms, s, m, h, d)
    #[arg(long, value_parser = duration, value_name = "TIME", requires = "wait")]
    timeout: Option<Duration>,

    /// Has it say its text piece by piece, for whoever follows it; with --wait, that is printed as it comes, instead of the
    /// result
    #[arg(long)]
    stream: bool,

    /// Prints one line of JSON: its id, or, with --wait, the job
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Submit {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let payload = self.payload()?;
        let config = self.database.clone();
        shards::of(&config, Private::MustBeThere, ANONYMOUS, async |open| {
            self.submit(open, payload).await
        })
        .await
    }

    async fn submit(self, open: &Open, payload: TaskPayload) -> anyhow::Result<()> {
        open.check().await?;
        let job = store(open, payload).await?;
        if self.wait {
            let shows = Shows::asked(self.json, self.stream);
            return wait(open, job, self.timeout, shows).await;
        }
        if self.json {
            return say_json(&json!({ "job_id": job }));
        }
        say(job)
    }

    /// What is asked for, read as the body of an HTTP request is.
    fn payload(&self) -> anyhow::Result<TaskPayload> {
        let mut body = Map::new();
        let mut set = |field: &str, value: Option<Value>| {
            body.extend(value.map(|value| (field.to_owned(), value)));
        };
        set("task_type", Some(self.task.as_str().into()));
        match self.content.as_deref() {
            Some("-") => {
                let mut content = String::new();
                std::io::stdin()
                    .read_to_string(&mut content)
                    .context("could not read the content from the standard input")?;
                set("content", Some(content.into()));
            }
            content => set("content", content.map(Value::from)),
        }
        if let Some(input) = &self.input {
            let input: Value = serde_json::from_str(input)
                .map_err(|error| Exit::Usage(format!("--input is no JSON: {error}")))?;
            if input.is_null() {
                return Err(
                    Exit::Usage("--input is null, which is nothing to work on".to_owned()).into(),
                );
            }
            set("input", Some(input));
        }
        set("delay", self.delay.map(|delay| delay.as_secs_f64().into()));
        set("run_at", self.run_at.as_deref().map(Value::from));
        set("priority", self.priority.map(Value::from));
        set("max_attempts", self.max_attempts.map(Value::from));
        set(
            "concurrency_key",
            self.concurrency_key.as_deref().map(Value::from),
        );
        set(
            "idempotency_key",
            self.idempotency_key.as_deref().map(Value::from),
        );
        set("stream", self.stream.then(|| true.into()));
        let body = Value::Object(body).to_string();
        parse_task(body.as_bytes()).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(sentence).collect();
            Exit::Usage(errors.join("; ")).into()
        })
    }
}

/// Submits a job in a transaction of its own.
async fn store(open: &Open, payload: TaskPayload) -> anyhow::Result<JobId> {
    let request = Request {
        input: payload.to_input(),
        due: Due::of(payload.delay, payload.run_at),
        task: payload.task_type,
        priority: payload.priority.unwrap_or(0),
        max_attempts: payload.max_attempts,
        concurrency_key: payload.concurrency_key,
        idempotency_key: payload.idempotency_key,
        keep_key: KEEP_KEY,
        owner: ANONYMOUS.to_owned(),
        stream: payload.stream.unwrap_or(false),
        traceparent: payload.traceparent,
    };
    let stored = open
        .database
        .run(async |connection| Ok(submit(connection, &request).await));
    let stored = stored.await.context("could not reach the database")?;
    stored.map_err(|error| match error {
        SubmitError::TaskUnknown(_) => Exit::Usage(format!(
            "{error}; a task is known once a worker or a gateway that has it was started"
        ))
        .into(),
        SubmitError::InputInvalid(_) => {
            Exit::Usage(format!("the task cannot work on this: {error}")).into()
        }
        SubmitError::Conflict => Exit::NotDone(error.to_string()).into(),
        SubmitError::Database(error) => {
            anyhow::Error::new(error).context("could not submit the job")
        }
    })
}

/// What is wrong with an option, by its name.
fn sentence(error: &ErrorItem) -> String {
    let field = error.loc.get(1).map_or("the job", String::as_str);
    format!("{}: {}", field.replace('_', "-"), error.msg)
}
