//! `ringback recurring`: jobs that come back.

use std::cell::Cell;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::database::{self, Open, Private};
use super::output::{lines, say};
use super::record::record;
use super::shards;
use crate::auth::ANONYMOUS;
use crate::config::DatabaseConfig;
use crate::queue::Deed;
use crate::queue::recurring::{self, Schedule};
use crate::shards::Shards;

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
        let config = &self.database;
        match self.verb {
            Verb::List => shards::each(config, Private::MustBeThere, list).await,
            Verb::Set(set) => {
                let recurring = set.recurring()?;
                database::once(config, Private::MustBeThere, async |shards| {
                    add(shards, &recurring).await
                })
                .await
            }
            Verb::Remove { name } => {
                let removed = Cell::new(false);
                shards::each(config, Private::MustBeThere, async |open| {
                    open.check().await?;
                    removed.set(remove(open, &name).await? || removed.get());
                    Ok(())
                })
                .await?;
                if !removed.get() {
                    bail!("no recurring job is called {name}");
                }
                say(format!("{name} is removed"))
            }
        }
    }
}

async fn list(open: &Open) -> anyhow::Result<()> {
    open.check().await?;
    let rows = open
        .database
        .run(async |connection| recurring::all(connection).await);
    let rows = rows.await;
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
    Ok(())
}

/// Adds it where its jobs are, which are nobody's; and nowhere else, where it was while there were fewer shards.
async fn add(shards: &Shards<Open>, recurring: &recurring::Recurring) -> anyhow::Result<()> {
    let name = &recurring.name;
    let own = shards::owned(shards, ANONYMOUS)?;
    own.check().await?;
    record(
        &own.database,
        Deed::SetRecurring,
        std::slice::from_ref(name),
    )
    .await?;
    let next = own
        .database
        .run(async |connection| Ok(recurring::set(connection, recurring).await));
    let next = next
        .await
        .map_err(anyhow::Error::from)
        .and_then(|set| Ok(set?))
        .with_context(|| format!("could not add {name}"))?;
    say(format!("{name} fires next at {next}"))?;
    shards::in_turn(shards, async |open| {
        if open.place == own.place {
            return Ok(());
        }
        let removed = async {
            open.check().await?;
            remove(open, name).await
        };
        let removed = removed.await;
        removed
            .map(|_| ())
            .with_context(|| format!("it may fire from {} as well", open.database.name()))
    })
    .await
}

/// Whether there was one of that name.
async fn remove(open: &Open, name: &str) -> anyhow::Result<bool> {
    let rows = open
        .database
        .run(async |connection| recurring::all(connection).await);
    let rows = rows.await.context("could not read the recurring jobs")?;
    // Where there is none, nobody does anything that were to be recorded.
    if !rows.iter().any(|row| row.name == name) {
        return Ok(false);
    }
    record(&open.database, Deed::RemoveRecurring, &[name.to_owned()]).await?;
    let removed = open
        .database
        .run(async |connection| recurring::remove(connection, name).await);
    let removed = removed.await;
    removed.with_context(|| format!("could not remove {name}"))
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
