//! `ringback recurring`: jobs that come back.

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::database::{self, Open, Private};
use super::output::{lines, say};
use super::record::record;
use crate::config::DatabaseConfig;
use crate::postgres::link::limited;
use crate::queue::Deed;
use crate::queue::recurring::{self, Schedule};

/// Settings of `recurring`.
#[derive(Args, Debug)]
pub(super) struct Recurring {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists recurring jobs: when each fires, and when next
    List,
    /// Adds a recurring job, or replaces that of its name
    Set(Set),
    /// Removes a recurring job; the jobs that it has added stay
    Remove {
        /// What it is called
        name: String,
    },
}

/// Settings of `recurring set`.
#[derive(Args, Debug)]
struct Set {
    /// What it is called
    name: String,

    /// When, as cron has it: minute, hour, day, month, day of the week; before them seconds, if you like
    cron: String,

    /// What it asks for each time
    task: String,

    /// What that works on
    content: String,

    /// The time zone of that time
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    time_zone: String,

    /// What becomes of a firing that is more than a minute late, because nothing was running
    #[arg(long, value_enum, default_value_t = Missed::CatchUp)]
    missed: Missed,

    /// Each step is worth a minute of waiting
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,

    /// How often each job may fail, where that is not as often as its task says
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    max_attempts: Option<i32>,

    /// The concurrency key of its jobs
    #[arg(long, value_name = "KEY")]
    concurrency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Missed {
    /// It is made up for, once
    CatchUp,
    /// It is left out
    Skip,
}

impl Recurring {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        database::once(&config, Private::MustBeThere, async |open| {
            self.verb.run(open).await
        })
        .await
    }
}

impl Verb {
    async fn run(self, open: &Open) -> anyhow::Result<()> {
        open.database.check_schema().await?;
        let mut link = open.database.link("recurring");
        let connection = link
            .connected()
            .await
            .context("could not reach the database")?;
        match self {
            Self::List => {
                let rows = limited(recurring::all(connection)).await;
                let rows = rows.context("could not read the recurring jobs")?;
                let rows = rows.into_iter().map(|row| {
                    let next = row.next_at.unwrap_or_else(|| "never".to_owned());
                    vec![
                        row.name,
                        row.task,
                        row.cron,
                        row.time_zone,
                        row.missed,
                        next,
                    ]
                });
                let head = ["name", "task", "cron", "time zone", "missed", "next"];
                for line in lines(&head, rows) {
                    say(line)?;
                }
            }
            Self::Set(set) => {
                let recurring = set.recurring()?;
                let name = std::slice::from_ref(&recurring.name);
                record(connection, Deed::SetRecurring, name).await?;
                let next = recurring::set(connection, &recurring)
                    .await
                    .with_context(|| format!("could not add {}", recurring.name))?;
                say(format!("{} fires next at {next}", recurring.name))?;
            }
            Self::Remove { name } => {
                record(
                    connection,
                    Deed::RemoveRecurring,
                    std::slice::from_ref(&name),
                )
                .await?;
                let removed = limited(recurring::remove(connection, &name)).await;
                if !removed.with_context(|| format!("could not remove {name}"))? {
                    bail!("no recurring job is called {name}");
                }
                say(format!("{name} is removed"))?;
            }
        }
        link.close().await;
        Ok(())
    }
}

impl Set {
    fn recurring(self) -> anyhow::Result<recurring::Recurring> {
        Ok(recurring::Recurring {
            schedule: Schedule::parse(&self.cron, &self.time_zone)?,
            name: self.name,
            task: self.task,
            input: self.content.into(),
            missed: match self.missed {
                Missed::CatchUp => recurring::Missed::CatchUp,
                Missed::Skip => recurring::Missed::Skip,
            },
            priority: self.priority,
            max_attempts: self.max_attempts,
            concurrency_key: self.concurrency_key,
        })
    }
}
