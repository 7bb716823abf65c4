//! `ringback jobs list`: the newest jobs, as a table or as JSON.

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::super::database::{self, Open, Private};
use super::super::output::{lines, on_one_line, say};
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::postgres::link::limited;
use crate::queue::jobs::{self, Filter, PAGE_LIMIT};
use crate::wire::{Job, JobState};

/// How much of an input or an outcome a table has room for, in characters.
const CELL: usize = 40;

/// Settings of `jobs list`.
#[derive(Args, Debug)]
pub(super) struct List {
    /// Only those in these states: scheduled, held, ready, running, waiting, succeeded, failed, cancelled
    #[arg(long, value_delimiter = ',', value_parser = state, value_name = "STATE,…")]
    state: Vec<JobState>,

    /// Only those of this task, or asked for by this name
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// Only those in this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,

    /// Only those that were submitted before this one: where the page before has ended
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,

    /// How many, at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=PAGE_LIMIT), value_name = "JOBS")]
    limit: i64,

    /// Prints each job as a line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl List {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        database::once(&config, Private::MustBeThere, async |open| {
            self.list(open).await
        })
        .await
    }

    async fn list(self, open: &Open) -> anyhow::Result<()> {
        open.database.check_schema().await?;
        let filter = Filter {
            states: self.state,
            task: self.task,
            queue: self.queue,
            ..Filter::default()
        };
        let before = self.before.map(JobId);
        let page = limited(jobs::page(
            open.database.pool(),
            &filter,
            before,
            self.limit,
        ));
        let jobs = page.await.context("could not read the jobs")?.jobs;
        if self.json {
            for job in &jobs {
                say(serde_json::to_string(job).context("could not write a job as JSON")?)?;
            }
            return Ok(());
        }
        let head = [
            "id",
            "state",
            "task",
            "attempts",
            "queued at",
            "input",
            "outcome",
        ];
        for line in lines(&head, jobs.iter().map(row)) {
            say(line)?;
        }
        Ok(())
    }
}

fn row(job: &Job) -> Vec<String> {
    let outcome = match (&job.result, &job.error, &job.progress) {
        (Some(result), _, _) => shown(result),
        (None, Some(error), _) => error.clone(),
        (None, None, Some(progress)) => shown(progress),
        (None, None, None) => String::new(),
    };
    vec![
        job.id.to_string(),
        job.state.name().to_owned(),
        on_one_line(&job.task_type, CELL),
        format!("{}/{}", job.attempts, job.max_attempts),
        format!("{:.0}", job.queued_at),
        on_one_line(&shown(&job.input), CELL),
        on_one_line(&outcome, CELL),
    ]
}

/// A text as it is, anything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn state(text: &str) -> Result<JobState, String> {
    JobState::named(text).ok_or_else(|| {
        let names: Vec<&str> = JobState::ALL.map(JobState::name).to_vec();
        format!("{text:?} is not one of {}", names.join(", "))
    })
}
