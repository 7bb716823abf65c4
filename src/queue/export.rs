//! The history as files of CSV, one for each table and day, before it is let go.
//!
//! Every row is in one file, once. What is exported is a table that changes no more: a partition in which all is over, or
//! rows that were moved aside. A file gets its name when it is whole, and never that of another; which one it is, is noted
//! before. So whoever goes on after somebody who was killed knows a whole file again, and writes any other anew.

mod copy;
mod days;
mod file;

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use self::copy::{Rows, copy};
use self::file::{Mark, Place};
use super::fleet::host;
use super::partitions::{Kind, Part, is_empty};

pub use self::days::{Day, day, print};
pub use self::file::FolderError;

/// After how long without anybody who exports it is said that the history is kept for that.
const MISSED: f64 = 86_400.0;

/// Why something was not exported.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The folder, or a file in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Says that the history is exported from now on, and makes sure that it can be.
pub(super) async fn begin(connection: &mut PgConnection, folder: &Path) -> Result<(), Failed> {
    // First of all: whoever cannot write keeps nobody else from letting go.
    file::probe(folder).await?;
    sqlx::query!(
        r#"
        insert into ringback.exporter (host, folder) values ($1, $2)
        on conflict (singleton) do update
        set host = excluded.host, folder = excluded.folder, seen_at = clock_timestamp()
        "#,
        host(),
        folder.display().to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the history is exported by others, so that only they may let go of it.
pub(super) async fn is_anothers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let exporter = sqlx::query!(
        r#"
        select host, folder, seen_at < clock_timestamp() - make_interval(secs => $1) as "is_missed!"
        from ringback.exporter
        "#,
        MISSED
    )
    .fetch_optional(connection)
    .await?;
    if let Some(missed) = exporter.as_ref().filter(|exporter| exporter.is_missed) {
        tracing::warn!(
            host = missed.host,
            folder = missed.folder,
            "the history was exported and nobody does so any more, so nothing of it is let go; start a process with \
             RINGBACK_EXPORT_HISTORY, or give it up with: delete from ringback.exporter"
        );
    }
    Ok(exporter.is_some())
}

/// Exports a partition in which all is over, unless that was done before: what is in a file stays as it is.
pub(super) async fn partition(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    name: &str,
) -> Result<(), Failed> {
    write(connection, folder, kind, name, name).await
}

/// Whether something of a day is in a file, or may be: what was in its partition then has to go as a whole, or some of it
/// would be in a second file as well.
pub(super) async fn is_begun(
    connection: &mut PgConnection,
    part: &Part,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from ringback.export_file where right(export_file.source, 8) = right($1, 8)
        ) as "begun!"
        "#,
        part.name
    )
    .fetch_one(connection)
    .await
}

/// Exports what was moved aside, all of it of one day, and empties that place.
pub(super) async fn aside(connection: &mut PgConnection, folder: &Path) -> Result<(), Failed> {
    for kind in Kind::ALL {
        let (table, key) = (kind.aside(), kind.key());
        let first = format!(
            "select to_char(ringback.uuid_time({key}) at time zone 'UTC', 'YYYYMMDD') from ringback.{table}
             order by {key} limit 1"
        );
        let day: Option<String> = sqlx::query_scalar(AssertSqlSafe(first))
            .fetch_optional(&mut *connection)
            .await?;
        let Some(day) = day else { continue };
        let base = format!("{}_{day}", kind.parent());
        write(connection, folder, kind, table, &base).await?;
        let mut transaction = connection.begin().await?;
        transaction
            .execute(AssertSqlSafe(format!("truncate ringback.{table}")))
            .await?;
        sqlx::query!("delete from ringback.export_file where source = $1", table)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Writes a table to a file, unless that was done before; an empty one has none.
async fn write(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    table: &str,
    base: &str,
) -> Result<(), Failed> {
    let begun = sqlx::query!(
        r#"
        select file, inode, bytes, written_at is not null as "is_written!"
        from ringback.export_file
        where source = $1
        "#,
        table
    )
    .fetch_optional(&mut *connection)
    .await?;
    let is_written = begun.as_ref().is_some_and(|begun| begun.is_written);
    if is_written || is_empty(connection, table).await? {
        return Ok(());
    }
    file::clear(folder, &numbered(base, 1)).await?;
    let mut whole = None;
    if let Some(begun) = begun
        && let (Some(inode), Some(bytes)) = (begun.inode, begun.bytes)
    {
        let mark = Mark { inode, bytes };
        let is_there = file::is_there(folder, &begun.file, mark).await?;
        whole = is_there.then_some((begun.file, mark));
    }
    let (file, mark) = match whole {
        Some(whole) => whole,
        None => make(connection, folder, kind, table, base).await?,
    };
    sqlx::query!(
        "update ringback.export_file set written_at = clock_timestamp() where source = $1",
        table
    )
    .execute(connection)
    .await?;
    tracing::info!(file, bytes = mark.bytes, "exported a part of the history");
    Ok(())
}

/// Makes the file of a table, under the first name that is free; answers what it is called, and which it is.
async fn make(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    table: &str,
    base: &str,
) -> Result<(String, Mark), Failed> {
    let mut place = Place::make(folder, &numbered(base, 1)).await?;
    let rows = Rows {
        table,
        key: kind.key(),
        after: Uuid::nil(),
        end: Uuid::max(),
    };
    copy(connection, &rows, &mut place.output).await?;
    let mark = place.sync().await?;
    let mut number = 0;
    loop {
        number += 1;
        let file = numbered(base, number);
        if file::exists(folder, &file).await? {
            continue;
        }
        // Whoever has lost the connection has lost the turn with it, and leaves it to others.
        sqlx::query!(
            r#"
            insert into ringback.export_file (source, file, inode, bytes) values ($1, $2, $3, $4)
            on conflict (source) do update
            set file = excluded.file, inode = excluded.inode, bytes = excluded.bytes
            "#,
            table,
            file,
            mark.inode,
            mark.bytes
        )
        .execute(&mut *connection)
        .await?;
        if place.take(&file).await? {
            return Ok((file, mark));
        }
    }
}

fn numbered(base: &str, number: u32) -> String {
    match number {
        1 => format!("{base}.csv"),
        number => format!("{base}_{number}.csv"),
    }
}
