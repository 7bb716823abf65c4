//! What may be wrong with the database, the way to it, and the fleet, and what to do about it.
//!
//! It changes nothing. Each check is bounded in time, and says so where this login may not look.

mod clock;
pub mod connections;
mod due;
mod exhaustion;
mod figures;
mod fleet;
mod partitions;
mod privileges;
mod queues;
mod replication;
mod schema;
mod server;
mod settings;
mod snapshots;
mod tables;
mod way;

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;

use crate::postgres::listener::Hearing;
use crate::postgres::{Fault, Reader};

/// What is looked at, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/operations.md says what each is about")]
pub enum Check {
    Server,
    Schema,
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
    pub const ALL: [Self; 22] = [
        Self::Server,
        Self::Schema,
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

    async fn look(
        self,
        connection: &mut PgConnection,
        asked: Asked,
    ) -> Result<Vec<Finding>, sqlx::Error> {
        match self {
            Self::Server => server::look(connection).await,
            Self::Schema => schema::look(connection).await,
            Self::Privileges => privileges::look(connection).await,
            Self::Durability => settings::durability(connection).await,
            Self::Autovacuum => settings::autovacuum(connection).await,
            Self::TimeLimits => settings::time_limits(connection).await,
            Self::Connections => connections::look(connection).await,
            // Not within one connection: see `examine`.
            Self::Pooler => Ok(Vec::new()),
            Self::Replication => replication::standbys(connection).await,
            Self::Slots => replication::slots(connection).await,
            Self::Snapshots => snapshots::look(connection, asked.long_transaction).await,
            Self::Hints => exhaustion::hints(connection).await,
            Self::DeadRows => tables::dead_rows(connection).await,
            Self::Wraparound => exhaustion::wraparound(connection).await,
            Self::Indexes => tables::indexes(connection).await,
            Self::Partitions => partitions::look(connection).await,
            Self::Clock => clock::look(connection).await,
            Self::Fleet => fleet::look(connection).await,
            Self::Circuits => fleet::circuits(connection).await,
            Self::Queues => queues::look(connection).await,
            Self::Due => due::look(connection).await,
            Self::Size => tables::size(connection).await,
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// This login may not look, or looking took too long.
    Unseen,
    /// It works, and may not for long.
    Warning,
    /// Something does not work, or may be lost.
    Problem,
}

impl Status {
    /// Its name, for people and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unseen => "unseen",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it is.
    pub status: Status,
    /// What was found, with figures and their units.
    pub found: String,
    /// What to do: a statement, a setting, a command; nothing, where all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: Check, found: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            found: found.into(),
            advice: None,
        }
    }

    fn new(
        check: Check,
        status: Status,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            status,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// What whoever asks says of themselves.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// From when on an open transaction is told of.
    pub long_transaction: Duration,
    /// Whether the fleet listens for hints.
    pub hearing: Hearing,
}

/// Looks at everything.
///
/// # Errors
/// When the database cannot be reached, or falls silent.
pub async fn examine(reader: &mut Reader, asked: Asked) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    for check in Check::ALL {
        let looked = match check {
            Check::Pooler => way::look(reader, asked.hearing).await,
            check => {
                let look = async |connection: &mut PgConnection| {
                    Box::pin(check.look(connection, asked)).await
                };
                reader.read(look).await
            }
        };
        match looked {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(unseen(check, error)?),
        }
    }
    Ok(findings)
}

/// Why there is nothing to see; an error, where there is nobody to look at.
fn unseen(check: Check, error: sqlx::Error) -> Result<Finding, sqlx::Error> {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .unwrap_or_default();
    let (found, advice) = match code.as_ref() {
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
