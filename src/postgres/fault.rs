//! What an error of the database means, and what to do about it.

use std::borrow::Cow;
use std::fmt;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::link::NotSent;
use crate::telemetry::FIGURES;

/// What an error of the database means for whoever met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The database is away, or asks to try again: nothing is wrong with what was sent.
    Away,
    /// No hint fits into the server's queue: the same again, without hints.
    Hints,
    /// A partition is missing for one of these ids: make it, then the same again.
    Partition,
    /// A job with one of these ids is stored already, or over: the same again, without what is there.
    There,
    /// Somebody else's transaction holds something of what was sent, and it was asked not to wait for that.
    Locked,
    /// Something in what was sent is at fault.
    Data,
}

impl Fault {
    /// Whether no hint could be sent, and the same is to be done again without; it is counted.
    #[must_use]
    pub fn is_lost_hint(error: &sqlx::Error) -> bool {
        let is_lost = Self::of(error) == Self::Hints;
        if is_lost {
            FIGURES.lost_hints();
        }
        is_lost
    }

    /// Sorts an error into its kind.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::RowNotFound
                | sqlx::Error::TypeNotFound { .. } => Self::Data,
                _ => Self::Away,
            };
        };
        let code = database.code().unwrap_or_default();
        match (code.get(..2).unwrap_or_default(), code.as_ref()) {
            // Connections, resources, an administrator's stop, serialisation and deadlocks; a server that only reads; a
            // transaction that was ended because we were frozen in it.
            ("08" | "53" | "57" | "40" | "58", _) | (_, "25006" | "25P03" | "25P04") => Self::Away,
            // The server's process has given itself up: on a full disk, a new one cannot write down what it read.
            ("XX", _) if has_ended(error) => Self::Away,
            (_, "55P03") => Self::Locked,
            (_, "23505") if database.constraint().is_some_and(is_key_of_jobs) => Self::There,
            ("54", _) if database.message().contains("NOTIFY") => Self::Hints,
            // A check that fails has a name, a partition that is missing has none; its words are in the server's
            // language.
            (_, "23514") if database.constraint().is_none() => Self::Partition,
            _ => Self::Data,
        }
    }
}

/// An error on its way to the log or to a person: with what to do, where it goes on until somebody does something.
#[derive(Clone, Copy, Debug)]
pub struct Advised<'a>(pub &'a sqlx::Error);

impl fmt::Display for Advised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        match advice(self.0) {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// The SQLSTATE of an error, where the database has said it.
#[must_use]
pub fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// What somebody has to do before this passes.
#[must_use]
pub fn advice(error: &sqlx::Error) -> Option<&'static str> {
    let error = NotSent::cause(error);
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return Some(
            "each connection is in use, or the database's server gives no other: see `ringback doctor`",
        );
    }
    match code(error)?.as_ref() {
        "53100" => Some("the disk of the database's server is full: make room there"),
        "53300" => Some(
            "the database's server has no connection left: raise max_connections, or run fewer of those that connect",
        ),
        "XX000" if has_ended(error) => {
            Some("see the log of the database's server, and whether its disk is full")
        }
        _ => None,
    }
}

/// Whether a server is there, and takes no connection for now: it has none left, or is starting or stopping.
#[must_use]
pub fn turns_away(error: &sqlx::Error) -> bool {
    code(NotSent::cause(error)).is_some_and(|code| matches!(code.as_ref(), "53300" | "57P03"))
}

/// Whether the server's process has ended with this error, and its connection with it.
pub(super) fn has_ended(error: &sqlx::Error) -> bool {
    let error = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Whether a server that is there has no room for what was asked, or for one more connection: nothing is wrong with the
/// connections that there are, and it might not let us have another.
fn is_short(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code.starts_with("53")) && !has_ended(error)
}

/// Whether what was done says that its connection is good for nobody any more: the server is away, or takes nothing now.
/// One whose server only has no room, such as on its disk, is kept: there may be none for another.
pub(super) fn is_lost<T>(done: &Result<T, sqlx::Error>) -> bool {
    let is_lost = |error| Fault::of(error) == Fault::Away && !is_short(error);
    done.as_ref().is_err_and(is_lost)
}

/// Whether a constraint is what makes a second job of the same id impossible, among the live ones or in the history.
fn is_key_of_jobs(constraint: &str) -> bool {
    constraint == "job_pkey"
        || (constraint.starts_with("job_history_") && constraint.ends_with("_pkey"))
}
