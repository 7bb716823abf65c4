//! `ringback jobs list`: the newest jobs, as a table or as JSON.

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::super::database::{Open, Private};
use super::super::output::{lines, list_json, on_one_line, say};
use super::super::shards;
use super::filter::Which;
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::jobs::{self, PAGE_LIMIT};
use crate::wire::Job;

/// How much of an input or an outcome a table has room for, in characters.
const CELL: usize = 40;

/// How many jobs are listed at once, at most.
const MOST: i64 = 100_000;

/// Settings of `jobs list`.
#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,

    /// Only those that were submitted before this one: where the page before has ended
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,

    /// How many, at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=MOST), value_name = "JOBS")]
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
        shards::each(&config, Private::MustBeThere, async |open| {
            self.list(open).await
        })
        .await
    }

    async fn list(&self, open: &Open) -> anyhow::Result<()> {
        open.check().await?;
        let filter = self.which.filter();
        let mut before = self.before.map(JobId);
        let mut left = self.limit;
        let mut rows = Vec::new();
        // A page may be cut short where jobs are large, or few are found.
        while left > 0 {
            let page = open.database.browse(async |connection| {
                jobs::page(connection, &filter, before, left.min(PAGE_LIMIT)).await
            });
            let page = page.await.context("could not read the jobs")?;
            left -= i64::try_from(page.jobs.len()).unwrap_or(left);
            for job in &page.jobs {
                if self.json {
                    list_json(job)?;
                } else {
                    rows.push(row(job));
                }
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        if self.json {
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
        for line in lines(&head, rows) {
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
pub(in crate::cli) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
