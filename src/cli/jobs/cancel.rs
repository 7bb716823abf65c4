//! `ringback jobs cancel`: ends jobs that are no longer wanted.

use anyhow::{Context, bail};
use clap::Args;
use uuid::Uuid;

use super::super::database::{self, Open, Private};
use super::super::output::say;
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::Actor;
use crate::queue::cancel::{self, Cancelled};

/// Settings of `jobs cancel`.
#[derive(Args, Debug)]
pub(super) struct Cancel {
    /// The jobs' ids
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<Uuid>,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Cancel {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        database::once(&config, Private::MustBeThere, async |open| {
            self.cancel(open).await
        })
        .await
    }

    async fn cancel(self, open: &Open) -> anyhow::Result<()> {
        open.database.check_schema().await?;
        let mut link = open.database.link("jobs cancel");
        let mut left = 0;
        for job in &self.jobs {
            let connection = link
                .connected()
                .await
                .context("could not reach the database")?;
            let cancelled = cancel::cancel(connection, JobId(*job), &Actor::Operator);
            match cancelled
                .await
                .with_context(|| format!("could not cancel job {job}"))?
            {
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
        link.close().await;
        if left > 0 {
            bail!("{left} of {} could not be cancelled", self.jobs.len());
        }
        Ok(())
    }
}
