//! `ringback jobs prune`: deletes jobs that are over before their time.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::super::database::Open;
use super::super::exit::Exit;
use super::super::output::{note, say};
use super::super::record::record;
use super::super::shards;
use super::filter::one_of;
use super::many::{bar, is_sure, jobs};
use crate::config::{DatabaseConfig, at_least};
use crate::postgres::Link;
use crate::queue::Deed;
use crate::queue::prune::{self, Found, Prune as Which, Step, YOUNGEST};
use crate::wire::JobState;

/// Settings of `jobs prune`.
#[derive(Args, Debug)]
pub(super) struct Prune {
    /// Those that ended longer ago than this, such as 7d; an hour at least
    #[arg(long, value_parser = age, value_name = "TIME")]
    older_than: Duration,

    /// Only those in these states: succeeded, failed, cancelled
    #[arg(long, value_delimiter = ',', value_parser = state, value_name = "STATE,…")]
    state: Vec<JobState>,

    /// Only those of this task, or asked for by this name
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// Only those in this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,

    /// Says how many there are, and deletes nothing
    #[arg(long)]
    dry_run: bool,

    /// Does not ask whether to delete them
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Prune {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        shards::one(&config, async |open| {
            open.check().await?;
            let mut link = open.direct_link("prune").await?;
            let pruned = self.prune(open, &mut link).await;
            link.close().await;
            pruned
        })
        .await
    }

    async fn prune(&self, open: &Open, link: &mut Link) -> anyhow::Result<()> {
        let connection = link.connected().await.context("could not connect")?;
        let which = Which {
            older: self.older_than,
            states: self.state.clone(),
            task: self.task.clone(),
            queue: self.queue.clone(),
        };
        let found = prune::find(connection, &which)
            .await
            .context("could not find the jobs")?;
        let words = self.words(&found)?;
        let (count, of) = (jobs(found.jobs()), words.join(", "));
        let exported = prune::is_exported(connection).await;
        let exported = exported.context("could not ask whether the history is exported")?;
        let mut files = "";
        if exported && found.jobs() > 0 {
            files = " They will not be in the files that the history is exported to.";
        }
        if self.dry_run {
            let end = if files.is_empty() { "" } else { "." };
            return say(format!("{count} would be deleted ({of}){end}{files}"));
        }
        if found.jobs() == 0 {
            return say(format!("0 jobs deleted ({of})"));
        }
        if !self.yes && !is_sure(format!("Delete {count} ({of})?{files}")).await? {
            return Err(Exit::NotDone("nothing was deleted".to_owned()).into());
        }
        record(&open.database, Deed::PruneJobs, &words).await?;
        let mut progress = Progress {
            bar: bar(usize::try_from(found.jobs()).unwrap_or(usize::MAX)),
            deleted: 0,
            is_over: false,
        };
        prune::prune(connection, &found, |step| progress.hears(step))
            .await
            .context("could not delete all of the jobs; the same again goes on")?;
        progress.is_over = true;
        progress.bar.finish_and_clear();
        say(format!("{} deleted ({of})", jobs(progress.deleted)))
    }

    /// What it says, in words.
    fn words(&self, found: &Found) -> anyhow::Result<Vec<String>> {
        let before = Duration::try_from_secs_f64(found.before()).unwrap_or_default();
        let before = Timestamp::UNIX_EPOCH
            .checked_add(before)
            .context("there is no such time")?;
        let mut words = vec![format!("ended before {before:.0}")];
        let states: Vec<&str> = self.state.iter().map(|state| state.name()).collect();
        if !states.is_empty() {
            words.push(format!("state {}", states.join(" or ")));
        }
        words.extend(self.task.iter().map(|task| format!("task {task}")));
        words.extend(self.queue.iter().map(|queue| format!("queue {queue}")));
        Ok(words)
    }
}

/// How far it is; it says so as well when it is interrupted.
struct Progress {
    bar: ProgressBar,
    deleted: u64,
    is_over: bool,
}

impl Progress {
    fn hears(&mut self, step: Step) {
        match step {
            Step::Waits => self.bar.suspend(|| {
                note(
                    "somebody else is just letting go of parts of the history; this waits for them, and goes on by itself",
                );
            }),
            Step::Deleted(deleted) => {
                self.deleted += deleted;
                self.bar.inc(deleted);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.is_over {
            self.bar.finish_and_clear();
            // Where nobody reads it, it is as good as said.
            let _ = say(format!(
                "{} deleted so far; the same again goes on",
                jobs(self.deleted)
            ));
        }
    }
}

fn age(text: &str) -> Result<Duration, String> {
    at_least(
        YOUNGEST,
        text,
        "an hour: what is younger may still be on its way to whoever waits for it",
    )
}

fn state(text: &str) -> Result<JobState, String> {
    let over = JobState::ALL.into_iter().filter(|state| state.is_over());
    one_of(&over.collect::<Vec<_>>(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_and_not_young_is_meant() {
        assert_eq!(age("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert!(age("59m").unwrap_err().contains("at least an hour"));
        assert_eq!(state("failed"), Ok(JobState::Failed));
        let refused = state("running").unwrap_err();
        assert!(
            refused.ends_with("succeeded, failed, cancelled"),
            "{refused}"
        );
    }
}
