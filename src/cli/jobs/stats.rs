//! `ringback jobs stats`: how things are, in a few numbers.

use anyhow::Context;
use clap::Args;

use super::super::database::{Open, Private};
use super::super::output::{lines, say, say_json};
use super::super::shards;
use crate::config::DatabaseConfig;
use crate::queue::stats;
use crate::wire::{Stats as Numbers, TaskStats};

/// Settings of `jobs stats`.
#[derive(Args, Debug)]
pub(super) struct Stats {
    /// Prints it as one line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Stats {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        shards::each(&config, Private::MustBeThere, async |open| {
            self.stats(open).await
        })
        .await
    }

    async fn stats(&self, open: &Open) -> anyhow::Result<()> {
        open.check().await?;
        let stats = open
            .database
            .run(async |connection| stats::stats(connection).await);
        let stats = stats.await.context("could not count the jobs")?;
        if self.json {
            return say_json(&stats);
        }
        for line in live(&stats) {
            say(line)?;
        }
        if stats.tasks.is_empty() {
            return Ok(());
        }
        say("\nof the last hour:")?;
        let head = [
            "task",
            "finished",
            "failed",
            "waited p50",
            "waited p95",
            "ran p50",
            "ran p95",
        ];
        for line in lines(&head, stats.tasks.iter().map(row)) {
            say(line)?;
        }
        Ok(())
    }
}

fn live(stats: &Numbers) -> Vec<String> {
    let live = &stats.live;
    let known = [
        ("scheduled", live.scheduled.to_string()),
        ("held", live.held.to_string()),
        ("ready", live.ready.to_string()),
        ("running", live.running.to_string()),
        ("waiting", live.waiting.to_string()),
        ("oldest wait", seconds(live.oldest_wait)),
        ("workers", stats.workers.to_string()),
        ("gateways", stats.gateways.to_string()),
    ];
    known
        .into_iter()
        .map(|(name, value)| format!("{name:<12}  {value}"))
        .collect()
}

fn row(task: &TaskStats) -> Vec<String> {
    let times = [task.waited_p50, task.waited_p95, task.ran_p50, task.ran_p95];
    let mut row = vec![
        task.task.clone(),
        task.finished.to_string(),
        task.failed.to_string(),
    ];
    row.extend(times.map(seconds));
    row
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3} s"))
}
