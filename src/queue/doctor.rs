//! What may be wrong with the database, the way to it, and the fleet, and what to do about it.
//!
//! It changes nothing. Each check is bounded in time, and says so where this login may not look.

mod clock;
pub mod connections;
mod due;
mod exhaustion;
mod figures;
mod finding;
mod fleet;
mod nats;
mod partitions;
mod privileges;
mod queues;
mod replication;
mod schema;
mod server;
mod settings;
mod shard;
mod snapshots;
mod tables;
mod way;

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;

use crate::config::Pooler;
use crate::nats::Servers;
use crate::postgres::listener::Hearing;
use crate::postgres::{Fault, Reader, code};
use crate::shards::Place;

use finding::or_ok;
pub use finding::{Finding, Status};
pub use way::Pooled;

/// What is looked at, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/operations.md says what each is about")]
pub enum Check {
    Server,
    Schema,
    Shard,
    Privileges,
    Durability,
    Autovacuum,
    TimeLimits,
    Connections,
    Pooler,
    Replication,
    Slots,
    Snapshots,
    Hints,
    Nats,
    DeadRows,
    Wraparound,
    Indexes,
    Partitions,
    Clock,
    Fleet,
    Circuits,
    Queues,
    Due,
    Size,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Server,
        Self::Schema,
        Self::Shard,
        Self::Privileges,
        Self::Durability,
        Self::Autovacuum,
        Self::TimeLimits,
        Self::Connections,
        Self::Pooler,
        Self::Replication,
        Self::Slots,
        Self::Snapshots,
        Self::Hints,
        Self::Nats,
        Self::DeadRows,
        Self::Wraparound,
        Self::Indexes,
        Self::Partitions,
        Self::Clock,
        Self::Fleet,
        Self::Circuits,
        Self::Queues,
        Self::Due,
        Self::Size,
    ];

    /// Its name, for people and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Schema => "schema",
            Self::Shard => "shard",
            Self::Privileges => "privileges",
            Self::Durability => "durability",
            Self::Autovacuum => "autovacuum",
            Self::TimeLimits => "time_limits",
            Self::Connections => "connections",
            Self::Pooler => "pooler",
            Self::Replication => "replication",
            Self::Slots => "slots",
            Self::Snapshots => "snapshots",
            Self::Hints => "hints",
            Self::Nats => "nats",
            Self::DeadRows => "dead_rows",
            Self::Wraparound => "wraparound",
            Self::Indexes => "indexes",
            Self::Partitions => "partitions",
            Self::Clock => "clock",
            Self::Fleet => "fleet",
            Self::Circuits => "circuits",
            Self::Queues => "queues",
            Self::Due => "due",
            Self::Size => "size",
        }
    }

    async fn look(self, reader: &mut Reader, asked: &Asked) -> Result<Vec<Finding>, sqlx::Error> {
        match self {
            Self::Server => reader.read(server::look).await,
            Self::Schema => reader.read(schema::look).await,
            Self::Shard => {
                let look = async |connection: &mut PgConnection| {
                    shard::look(connection, asked.place).await
                };
                reader.read(look).await
            }
            Self::Privileges => reader.read(privileges::look).await,
            Self::Durability => reader.read(settings::durability).await,
            Self::Autovacuum => reader.read(settings::autovacuum).await,
            Self::TimeLimits => reader.read(settings::time_limits).await,
            Self::Connections => reader.read(connections::look).await,
            Self::Pooler => way::look(reader, asked).await,
            Self::Replication => reader.read(replication::standbys).await,
            Self::Slots => reader.read(replication::slots).await,
            Self::Snapshots => {
                let look = async |connection: &mut PgConnection| {
                    snapshots::look(connection, asked.long_transaction).await
                };
                reader.read(look).await
            }
            Self::Hints => reader.read(exhaustion::hints).await,
            Self::Nats => Ok(vec![nats::look(asked.nats.as_ref()).await]),
            Self::DeadRows => reader.read(tables::dead_rows).await,
            Self::Wraparound => reader.read(exhaustion::wraparound).await,
            Self::Indexes => reader.read(tables::indexes).await,
            Self::Partitions => reader.read(partitions::look).await,
            Self::Clock => reader.read(clock::look).await,
            Self::Fleet => reader.read(fleet::look).await,
            Self::Circuits => reader.read(fleet::circuits).await,
            Self::Queues => reader.read(queues::look).await,
            Self::Due => reader.read(due::look).await,
            Self::Size => reader.read(tables::size).await,
        }
    }
}

/// What whoever asks says of themselves.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From when on an open transaction is told of.
    pub long_transaction: Duration,
    /// Whether the fleet listens for hints.
    pub hearing: Hearing,
    /// Which one of several shards it is taken for.
    pub place: Place,
    /// What the way to the database leads through.
    pub pooler: Pooler,
    /// The other way, through a pooler, where the database is looked at directly.
    pub pooled: Option<Pooled>,
    /// Where the fleet has its hints by, if it is NATS.
    pub nats: Option<Servers>,
}

/// Looks at everything.
///
/// # Errors
/// When the database cannot be reached, or falls silent.
pub async fn examine(reader: &mut Reader, asked: &Asked) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    for check in Check::ALL {
        // Boxed, since there are many ways to look.
        match Box::pin(check.look(reader, asked)).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(unseen(check, error)?),
        }
    }
    Ok(findings)
}

/// Why there is nothing to see; an error, where there is nobody to look at.
fn unseen(check: Check, error: sqlx::Error) -> Result<Finding, sqlx::Error> {
    let (found, advice) = match code(&error).unwrap_or_default().as_ref() {
        "42501" => (
            "this login may not look",
            "log in as the program's role: `select ringback.grant_program('name')` makes one, see docs/security.md",
        ),
        "42P01" | "42703" | "42883" | "3F000" => (
            "the schema has nothing to look at, or not enough",
            "see the check schema",
        ),
        "57014" | "55P03" => (
            "looking took too long",
            "try again when the server has less to do; if it stays so, see the check snapshots",
        ),
        "26000" | "42P05" => (
            "a pooler mixes up what is prepared",
            "see the check pooler; let DATABASE_URL name Postgres itself",
        ),
        "53300" => (
            "the server has no connection left to look with",
            "see the check connections",
        ),
        "" if Fault::of(&error) == Fault::Away => return Err(error),
        // One that the server has given up is no reason to give up the others.
        _ => {
            tracing::debug!(check = check.name(), %error, "a check has failed");
            return Ok(Finding::new(
                check,
                Status::Unseen,
                format!("looking has failed: {error}"),
                "try again; if it stays so, please report it",
            ));
        }
    };
    Ok(Finding::new(check, Status::Unseen, found, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_one_name_and_a_line_in_the_manual() {
        let manual = include_str!("../../docs/operations.md");
        for check in Check::ALL {
            let json = serde_json::to_value(check).unwrap();
            assert_eq!(json, check.name());
            let line = format!("| `{}` |", check.name());
            assert!(manual.contains(&line), "docs/operations.md lacks {line}");
        }
    }
}
