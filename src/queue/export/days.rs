//! The history of some days, taken out by hand: what is there stays there.

use std::io;
use std::path::Path;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::partitions::Kind;
use super::Failed;
use super::copy::{Rows, copy};
use super::file::{FolderError, Output, Place, Target, clear, exists};
use crate::ids::first_id;

/// A day, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first moment.
    pub begin: i64,
    /// The first one after it.
    pub end: i64,
}

/// Prints the jobs that are over of the days from `first` to `last`.
///
/// # Errors
/// Those of the database, or of whoever reads.
pub async fn print(connection: &mut PgConnection, first: Day, last: Day) -> Result<(), Failed> {
    let all = Day {
        begin: first.begin,
        end: last.end,
    };
    let mut output = Output::new(Path::new("standard output"), Target::Standard(io::stdout()));
    copy(connection, &rows(Kind::History, all), &mut output).await?;
    Ok(())
}

/// Writes the jobs that are over of a day, their attempts and their texts, each to a file in `folder`; answers which.
///
/// # Errors
/// Those of the database, or of the folder: a file that is there already is left as it is.
pub async fn day(
    connection: &mut PgConnection,
    folder: &Path,
    day: Day,
    name: &str,
) -> Result<Vec<String>, Failed> {
    let mut files = Vec::new();
    for kind in Kind::ALL {
        let file = format!("{}_{name}.csv", kind.parent());
        let taken = || {
            let (path, cause) = (folder.join(&file), io::ErrorKind::AlreadyExists.into());
            FolderError { path, cause }
        };
        if exists(folder, &file).await? {
            return Err(taken().into());
        }
        clear(folder, &file).await?;
        let mut place = Place::make(folder, &file).await?;
        copy(connection, &rows(kind, day), &mut place.output).await?;
        place.sync().await?;
        if !place.take(&file).await? {
            return Err(taken().into());
        }
        files.push(file);
    }
    Ok(files)
}

fn rows(kind: Kind, day: Day) -> Rows<'static> {
    Rows {
        table: kind.parent(),
        key: kind.key(),
        after: Uuid::from_u128(first_id(day.begin).as_u128().saturating_sub(1)),
        end: first_id(day.end),
    }
}
