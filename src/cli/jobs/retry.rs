//! `ringback jobs retry`: gives jobs another chance.

use anyhow::Context;
use clap::Args;

use super::super::database::Open;
use super::super::exit::Exit;
use super::super::output::say;
use super::super::record::record;
use super::many::{BATCH, Many, bar};
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::retry::{Retried, retry_all};
use crate::queue::{Actor, Deed};
use crate::wire::JobState;

/// Settings of `jobs retry`.
#[derive(Args, Debug)]
pub(super) struct Retry {
    #[command(flatten)]
    many: Many,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Retry {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let all = async |open: &Open, jobs: &[JobId], _: &[JobState]| all(open, jobs).await;
        self.many
            .change("Retry", &[JobState::Failed], &self.database, named, all)
            .await
    }
}

/// Says of each what became of it.
async fn named(open: &Open, jobs: &[JobId]) -> anyhow::Result<()> {
    let mut left = 0;
    for batch in jobs.chunks(BATCH) {
        let became = retried(open, batch).await?;
        for job in batch {
            let became = became.iter().find(|(retried, _)| retried == job);
            match became.map_or(Retried::NotFound, |(_, became)| *became) {
                Retried::Due(_) => say(format!("{job} is due now"))?,
                Retried::Again(new) => say(format!("{job} retried as {}", new.job))?,
                Retried::Known(new) => say(format!("{job} was retried before as {}", new.job))?,
                Retried::Not(state) => {
                    left += 1;
                    say(format!("{job} is not one to retry ({})", state.name()))?;
                }
                Retried::NotFound => {
                    left += 1;
                    say(format!("{job} is no job"))?;
                }
            }
        }
    }
    if left > 0 {
        let text = format!("{left} of {} could not be retried", jobs.len());
        return Err(Exit::NotDone(text).into());
    }
    Ok(())
}

/// Says what became of them together.
async fn all(open: &Open, jobs: &[JobId]) -> anyhow::Result<()> {
    let bar = bar(jobs.len());
    let (mut again, mut due, mut known, mut not) = (0, 0, 0, 0);
    for batch in jobs.chunks(BATCH) {
        for (_, became) in retried(open, batch).await? {
            match became {
                Retried::Again(_) => again += 1,
                Retried::Due(_) => due += 1,
                Retried::Known(_) => known += 1,
                Retried::Not(_) | Retried::NotFound => not += 1,
            }
        }
        bar.inc(u64::try_from(batch.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    say(format!(
        "{again} retried, {due} due now, {known} retried before, {not} not to retry"
    ))
}

async fn retried(open: &Open, jobs: &[JobId]) -> anyhow::Result<Vec<(JobId, Retried)>> {
    let named: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    record(&open.database, Deed::RetryJobs, &named).await?;
    let done = open
        .database
        .run(async |connection| retry_all(connection, jobs, &Actor::Operator).await);
    done.await.context("could not retry the jobs")
}
