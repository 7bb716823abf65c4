//! `ringback jobs show`: one job's whole story.

use anyhow::Context;
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::super::database::Open;
use super::super::exit::Exit;
use super::super::output::{on_one_line, safe, say, say_json};
use super::super::shards;
use super::list::shown;
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::jobs;
use crate::wire::{Attempt, Job};

/// Settings of `jobs show`.
#[derive(Args, Debug)]
pub(super) struct Show {
    /// The job's id
    #[arg(value_name = "ID")]
    job: Uuid,

    /// Prints it as one line of JSON: `job` and `attempts`
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Show {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        shards::of_job(&config, JobId(self.job), async |open| self.show(open).await).await
    }

    async fn show(self, open: &Open) -> anyhow::Result<()> {
        let id = JobId(self.job);
        let database = &open.database;
        let found = database.run(async |connection| jobs::find(connection, id).await);
        let found = found.await;
        let Some(job) = found.context("could not read the job")? else {
            return Err(Exit::NotDone(format!("{id} is no job")).into());
        };
        let attempts = database.run(async |connection| jobs::attempts(connection, id).await);
        let attempts = attempts.await;
        let attempts = attempts.context("could not read the attempts of the job")?;
        if self.json {
            return say_json(&json!({ "job": job, "attempts": attempts }));
        }
        for (name, value) in story(&job) {
            say(format!("{name:<12}  {}", safe(&value)))?;
        }
        for attempt in &attempts {
            say(format!(
                "{:<12}  {}",
                format!("attempt {}", attempt.attempt),
                ended(attempt)
            ))?;
        }
        Ok(())
    }
}

/// What is known of it, each with its name.
fn story(job: &Job) -> Vec<(&'static str, String)> {
    let state = if job.is_cancelling {
        format!("{}, asked to end", job.state.name())
    } else {
        job.state.name().to_owned()
    };
    let task = if job.task == job.task_type {
        job.task.clone()
    } else {
        format!("{}, asked for as {}", job.task, job.task_type)
    };
    let known = [
        ("id", Some(job.id.to_string())),
        ("state", Some(state)),
        ("task", Some(task)),
        ("queue", Some(job.queue.clone())),
        ("owner", Some(job.owner.clone())),
        ("input", Some(shown(&job.input))),
        ("priority", Some(job.priority.to_string())),
        (
            "attempts",
            Some(format!("{} of {}", job.attempts, job.max_attempts)),
        ),
        ("queued at", Some(job.queued_at.to_string())),
        (
            "runs at",
            (job.run_at != job.queued_at).then(|| job.run_at.to_string()),
        ),
        ("started at", job.started_at.map(|time| time.to_string())),
        ("finished at", job.finished_at.map(|time| time.to_string())),
        ("progress", job.progress.as_ref().map(shown)),
        ("result", job.result.as_ref().map(shown)),
        ("error code", job.error_code.clone()),
        ("error", job.error.clone()),
        ("concurrency", job.concurrency_key.clone()),
        ("retry of", job.retry_of.map(|id| id.to_string())),
        ("retried as", job.retried_as.map(|id| id.to_string())),
        ("worker", job.worker_id.map(|id| id.to_string())),
        ("connection", job.connection_id.map(|id| id.to_string())),
        ("session", job.session_id.map(|id| id.0.to_string())),
    ];
    let known = known.into_iter();
    known
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn ended(attempt: &Attempt) -> String {
    let ran = attempt.started_at.map_or_else(String::new, |started| {
        let ran = attempt.ended_at.duration_since(started);
        format!(" after {ran:#}")
    });
    let why = attempt.error.as_deref().map_or_else(String::new, |error| {
        format!(": {}", on_one_line(error, usize::MAX))
    });
    format!("{} at {}{ran}{why}", attempt.outcome, attempt.ended_at)
}
