//! Doing something with many jobs: those that are named, or those that a filter finds, after asking.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use uuid::Uuid;

use super::super::database::Open;
use super::super::exit::Exit;
use super::filter::Which;
use crate::ids::JobId;
use crate::postgres::link::limited_to;
use crate::queue::jobs::{self, Filter};

/// How long the database may take to find jobs.
const FINDING: std::time::Duration = std::time::Duration::from_secs(60);

/// How many jobs are changed together.
pub(super) const BATCH: usize = 500;

/// Which jobs a verb is to change.
pub(super) enum Chosen {
    /// Those that are named.
    Named(Vec<JobId>),
    /// Those that a filter finds.
    Found(Filter),
}

/// What was named, or a filter, whose states are `states` where it says nothing of them.
pub(super) fn chosen(
    named: &[Uuid],
    which: &Which,
    states: &[crate::wire::JobState],
) -> Result<Chosen, Exit> {
    match (named.is_empty(), which.is_said()) {
        (false, false) => Ok(Chosen::Named(named.iter().map(|id| JobId(*id)).collect())),
        (true, true) => {
            let mut filter = which.filter();
            if filter.states.is_empty() {
                filter.states = states.to_vec();
            }
            Ok(Chosen::Found(filter))
        }
        (true, false) => {
            let text =
                "which jobs? name them by their ids, or give a filter such as --state or --task";
            Err(Exit::Usage(text.to_owned()))
        }
        (false, true) => {
            let text = "either name jobs by their ids or give a filter, but not both";
            Err(Exit::Usage(text.to_owned()))
        }
    }
}

/// The jobs that a filter finds, if whoever asked still wants it once the number is known.
pub(super) async fn found(
    open: &Open,
    filter: &Filter,
    verb: &str,
    words: &str,
    yes: bool,
) -> anyhow::Result<Vec<JobId>> {
    let found = limited_to(FINDING, async {
        let mut connection = open.database.pool().acquire().await?;
        jobs::ids(&mut connection, filter).await
    });
    let found = found.await.context("could not find the jobs")?;
    if found.is_empty() || yes {
        return Ok(found);
    }
    let jobs = match found.len() {
        1 => "1 job".to_owned(),
        jobs => format!("{jobs} jobs"),
    };
    let question = format!("{verb} {jobs} ({words})?");
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
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(found)
    } else {
        Err(Exit::NotDone("nothing was changed".to_owned()).into())
    }
}

/// How far the work is, on a terminal; nothing anywhere else.
pub(super) fn bar(jobs: usize) -> ProgressBar {
    let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
    ProgressBar::with_draw_target(Some(jobs), ProgressDrawTarget::stderr())
}
