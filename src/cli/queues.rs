//! `ringback queues`: lists queues, pauses them, lets them go on.

use anyhow::Context;
use clap::{Args, Subcommand};

use super::database::{Open, Private};
use super::exit::Exit;
use super::output::{lines, say};
use super::record::record;
use super::shards;
use crate::config::DatabaseConfig;
use crate::queue::{Deed, queues};
use crate::wire::Queue;

/// Settings of `queues`.
#[derive(Args, Debug)]
pub(super) struct Queues {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists queues: paused or not, and how many jobs are in which state
    List,
    /// Pauses a queue: what runs goes on, nothing new starts
    Pause {
        /// The queue
        name: String,
    },
    /// Lets a paused queue go on
    Resume {
        /// The queue
        name: String,
    },
}

impl Queues {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        shards::each(&config, Private::MustBeThere, async |open| {
            self.verb.run(open).await
        })
        .await
    }
}

impl Verb {
    async fn run(&self, open: &Open) -> anyhow::Result<()> {
        open.check().await?;
        let database = &open.database;
        match self {
            Self::List => {
                let rows = database.run(async |connection| queues::all(connection).await);
                let rows = rows.await;
                for line in table(&rows.context("could not read the queues")?) {
                    say(line)?;
                }
            }
            Self::Pause { name } => {
                record(database, Deed::PauseQueue, std::slice::from_ref(name)).await?;
                let paused = database.run(async |connection| queues::pause(connection, name).await);
                let paused = paused.await;
                if paused.as_ref().is_err_and(queues::is_unknown) {
                    return Err(Exit::NotDone(format!("no queue is called {name}")).into());
                }
                paused.with_context(|| format!("could not pause {name}"))?;
                say(format!("{name} is paused"))?;
            }
            Self::Resume { name } => {
                record(database, Deed::ResumeQueue, std::slice::from_ref(name)).await?;
                let resumed =
                    database.run(async |connection| queues::resume(connection, name).await);
                let resumed = resumed.await;
                resumed.with_context(|| format!("could not resume {name}"))?;
                say(format!("{name} goes on"))?;
            }
        }
        Ok(())
    }
}

fn table(rows: &[Queue]) -> Vec<String> {
    let head = ["queue", "state", "ready", "scheduled", "held", "running"];
    let rows = rows.iter().map(|row| {
        let state = if row.paused { "paused" } else { "open" };
        let counts = [row.ready, row.scheduled, row.held, row.running];
        let mut cells = vec![row.name.clone(), state.to_owned()];
        cells.extend(counts.map(|count| count.to_string()));
        cells
    });
    lines(&head, rows)
}
