//! Doing something with many jobs: those that are named, or those that a filter finds, after asking.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use uuid::Uuid;

use super::super::database::{Open, Private};
use super::super::exit::Exit;
use super::super::shards;
use super::filter::Which;
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::jobs::{Filter, ids};
use crate::wire::JobState;

/// How long the database may take to find jobs.
const FINDING: Duration = Duration::from_secs(60);

/// How many jobs are changed together.
pub(super) const BATCH: usize = 500;

/// The jobs that a verb is to change.
#[derive(Args, Debug)]
pub(super) struct Many {
    /// The jobs' ids
    #[arg(value_name = "ID")]
    jobs: Vec<Uuid>,

    #[command(flatten)]
    which: Which,

    /// Does not ask whether to change those that were found
    #[arg(long)]
    yes: bool,
}

/// Which jobs a verb is to change.
enum Chosen {
    /// Those that are named.
    Named(Vec<JobId>),
    /// Those that a filter finds.
    Found(Filter),
}

impl Many {
    /// Does something with them: with those that are named, or with those in `states` that a filter finds which names no
    /// states itself.
    pub(super) async fn change(
        &self,
        verb: &str,
        states: &[JobState],
        database: &DatabaseConfig,
        named: impl AsyncFn(&Open, &[JobId]) -> anyhow::Result<()>,
        all: impl AsyncFn(&Open, &[JobId], &[JobState]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.chosen(states)? {
            Chosen::Named(jobs) => shards::with_jobs(database, &jobs, named).await,
            Chosen::Found(filter) => {
                shards::each(database, Private::MustBeThere, async |open| {
                    open.check().await?;
                    let jobs = self.found(open, &filter, verb).await?;
                    all(open, &jobs, &filter.states).await
                })
                .await
            }
        }
    }

    /// What was named, or a filter, whose states are `states` where it says nothing of them.
    fn chosen(&self, states: &[JobState]) -> Result<Chosen, Exit> {
        match (self.jobs.is_empty(), self.which.is_said()) {
            (false, false) => Ok(Chosen::Named(
                self.jobs.iter().map(|id| JobId(*id)).collect(),
            )),
            (true, true) => {
                let mut filter = self.which.filter();
                if filter.states.is_empty() {
                    filter.states = states.to_vec();
                }
                Ok(Chosen::Found(filter))
            }
            (true, false) => {
                let text = "which jobs? name them by their ids, or give a filter such as --state or --task";
                Err(Exit::Usage(text.to_owned()))
            }
            (false, true) => {
                let text = "either name jobs by their ids or give a filter, but not both";
                Err(Exit::Usage(text.to_owned()))
            }
        }
    }

    /// The jobs that a filter finds, if whoever asked still wants it once the number is known.
    async fn found(&self, open: &Open, filter: &Filter, verb: &str) -> anyhow::Result<Vec<JobId>> {
        let found = open
            .database
            .browse_for(FINDING, async |connection| ids(connection, filter).await);
        let found = found.await.context("could not find the jobs")?;
        if found.is_empty() || self.yes {
            return Ok(found);
        }
        let count = jobs(u64::try_from(found.len()).unwrap_or(u64::MAX));
        let question = format!("{verb} {count} ({})?", self.which.words());
        if is_sure(question).await? {
            Ok(found)
        } else {
            Err(Exit::NotDone("nothing was changed".to_owned()).into())
        }
    }
}

/// So many jobs, in words.
pub(super) fn jobs(count: u64) -> String {
    match count {
        1 => "1 job".to_owned(),
        count => format!("{count} jobs"),
    }
}

/// Asks whoever sits there.
pub(super) async fn is_sure(question: String) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let text = format!("{question} There is nobody to ask; say --yes to do it without");
        return Err(Exit::Usage(text).into());
    }
    let mut asked = std::io::stderr();
    write!(asked, "{question} [y/N] ").context("could not ask")?;
    asked.flush().context("could not ask")?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map(|_| answer)
    });
    let answer = answer.await.context("could not ask")?;
    let answer = answer.context("could not read the answer")?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// How far the work is, on a terminal; nothing anywhere else.
pub(super) fn bar(jobs: usize) -> ProgressBar {
    let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
    ProgressBar::with_draw_target(Some(jobs), ProgressDrawTarget::stderr())
}
