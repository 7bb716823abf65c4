//! `ringback jobs cancel`: ends jobs that are no longer wanted.

use anyhow::Context;
use clap::Args;

use super::super::database::Open;
use super::super::exit::Exit;
use super::super::output::say;
use super::super::record::record;
use super::many::{BATCH, Many, bar};
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::cancel::{self, Cancelled};
use crate::queue::{Actor, Deed};
use crate::wire::JobState;

/// Settings of `jobs cancel`.
#[derive(Args, Debug)]
pub(super) struct Cancel {
    #[command(flatten)]
    many: Many,

    #[command(flatten)]
    database: DatabaseConfig,
}

/// Those that are not over.
const LIVE: [JobState; 5] = [
    JobState::Scheduled,
    JobState::Held,
    JobState::Ready,
    JobState::Running,
    JobState::Waiting,
];

impl Cancel {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        self.many
            .change("Cancel", &LIVE, &self.database, named, all)
            .await
    }
}

/// Says of each what became of it.
async fn named(open: &Open, jobs: &[JobId]) -> anyhow::Result<()> {
    let mut left = 0;
    for batch in jobs.chunks(BATCH) {
        let became = cancelled(open, batch, &[]).await?;
        for job in batch {
            let became = became.iter().find(|(cancelled, _)| cancelled == job);
            match became.map_or(Cancelled::NotFound, |(_, became)| *became) {
                Cancelled::Ended => say(format!("{job} cancelled"))?,
                Cancelled::Asked => say(format!("{job} cancelling: it runs, and is asked to end"))?,
                Cancelled::Over(state) => {
                    left += 1;
                    say(format!(
                        "{job} is over ({}): nothing to cancel",
                        state.name()
                    ))?;
                }
                Cancelled::NotFound => {
                    left += 1;
                    say(format!("{job} is no job"))?;
                }
            }
        }
    }
    if left > 0 {
        let text = format!("{left} of {} could not be cancelled", jobs.len());
        return Err(Exit::NotDone(text).into());
    }
    Ok(())
}

/// Says what became of them together.
async fn all(open: &Open, jobs: &[JobId], states: &[JobState]) -> anyhow::Result<()> {
    let bar = bar(jobs.len());
    let (mut ended, mut asked) = (0, 0);
    for batch in jobs.chunks(BATCH) {
        for (_, became) in cancelled(open, batch, states).await? {
            match became {
                Cancelled::Ended => ended += 1,
                Cancelled::Asked => asked += 1,
                Cancelled::Over(_) | Cancelled::NotFound => {}
            }
        }
        bar.inc(u64::try_from(batch.len()).unwrap_or_default());
    }
    bar.finish_and_clear();
    // What has changed since it was found is left alone.
    let others = jobs.len() - ended - asked;
    say(format!(
        "{ended} cancelled, {asked} cancelling, {others} changed meanwhile"
    ))
}

async fn cancelled(
    open: &Open,
    jobs: &[JobId],
    states: &[JobState],
) -> anyhow::Result<Vec<(JobId, Cancelled)>> {
    let named: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    record(&open.database, Deed::CancelJobs, &named).await?;
    let done = open.database.run(async |connection| {
        cancel::cancel_all(connection, jobs, &Actor::Operator, states).await
    });
    done.await.context("could not cancel the jobs")
}
