//! What is done with a database before anybody works with it.

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::database::{Open, databases, told};
use super::exit::Exit;
use crate::nats::{Nats, Servers};
use crate::postgres::{Database, Fault, patiently, turns_away};
use crate::queue::shard;
use crate::shards::Place;

/// For how long a database that has died just now is waited for.
const AWAY: Duration = Duration::from_secs(30);

/// How long a process has just begun: then it works with those shards that are there.
const BEGINNING: Duration = Duration::from_secs(5);

/// How soon one is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// What is to be done with a database.
#[derive(Clone, Debug)]
pub(super) struct Preparation {
    database: Database,
    place: Place,
    is_private: bool,
    /// Whether its schema is brought up to date, and not only looked at.
    migrate: bool,
    /// The servers by which hints go, where they go by others.
    servers: Option<Servers>,
}

impl Preparation {
    /// The private database's schema is always brought up to date, another's when it is asked.
    pub(super) fn of(open: &Open, migrate: bool, servers: Option<Servers>) -> Self {
        Self {
            database: open.database.clone(),
            place: open.place,
            is_private: open.is_private(),
            migrate: migrate || open.is_private(),
            servers,
        }
    }

    /// Makes sure that the schema is this program's, and that the database is the shard that it is taken for; and lets hints
    /// go the way that the settings say, before anybody listens.
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        // One that is named may be named wrongly, unless it says itself that it has no room; a private one that dies is
        // started again.
        let waits = if self.is_private {
            Waits::Away
        } else {
            Waits::Full
        };
        self.waiting(waits).await?;
        self.hint().await
    }

    /// The same for one of several: however long it is away, the others go on. What else is wrong with it is an error for
    /// whoever has just begun; afterwards, it keeps nobody else from work either, and is told of.
    pub(super) async fn run_patiently(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut said = None;
        loop {
            let prepared = async {
                self.once().await?;
                self.hint().await
            };
            let prepared = prepared.await;
            let Err(error) = &prepared else {
                return prepared;
            };
            if began.elapsed() < BEGINNING && !Waits::Away.hold(error) {
                return prepared;
            }
            let text = told(error);
            if said.as_ref() != Some(&text) {
                tracing::error!("{text}; trying again, and the other shards go on without it");
                said = Some(text);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn waiting(&self, waits: Waits) -> anyhow::Result<()> {
        let give_up = Instant::now() + AWAY;
        loop {
            let prepared = self.once().await;
            let error = prepared.as_ref().err().filter(|error| waits.hold(error));
            let Some(error) = error.filter(|_| Instant::now() < give_up) else {
                return prepared;
            };
            tracing::warn!("{}; trying again", told(error));
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn once(&self) -> anyhow::Result<()> {
        if self.migrate {
            self.database.migrate().await?;
        } else {
            self.database.check_schema().await?;
        }
        check_place(&self.database, self.place).await
    }

    async fn hint(&self) -> anyhow::Result<()> {
        let Some(servers) = &self.servers else {
            return Ok(());
        };
        let identity = patiently(AWAY, || self.database.identity()).await;
        let identity = identity.with_context(|| {
            format!(
                "could not read what sets {} apart from others",
                self.database.name()
            )
        })?;
        self.database
            .hint_by(Nats::start(servers, &identity).await?);
        Ok(())
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Waits {
    /// A database that is away.
    Away,
    /// One that has no room, and says so.
    Full,
}

impl Waits {
    /// Whether it is this that is wrong.
    fn hold(self, error: &anyhow::Error) -> bool {
        databases(error).any(|error| {
            let is_away = Fault::of(error) == Fault::Away;
            turns_away(error) || is_away && matches!(self, Self::Away)
        })
    }
}

/// Makes sure that a database is the one of several shards that it is taken for.
pub(super) async fn check_place(database: &Database, place: Place) -> anyhow::Result<()> {
    let name = database.name();
    let placed = database.run(async |connection| shard::placed(connection, place).await);
    let placed = placed.await;
    let placed = placed.with_context(|| format!("could not ask {name} which shard it is"))?;
    if placed == place {
        return Ok(());
    }
    let text = format!(
        "{name} is shard {} of {}, and is named here as {} of {}: name all shards in DATABASE_URLS, in the same order \
         everywhere; docs/scaling.md says how their number is changed",
        placed.number, placed.of, place.number, place.of
    );
    Err(Exit::Usage(text).into())
}
