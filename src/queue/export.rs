//! The history as files of CSV, one for each table and day, before it is let go.
//!
//! Every row is in one file, once. What is exported is a table that changes no more: a partition in which all is over, or
//! rows that were moved aside. The name of its file is chosen, and remembered, before the file is there; so whoever was
//! interrupted writes the same rows to the same file again, and other rows of that day get a file of their own.

mod copy;
mod days;
mod file;

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use self::copy::{Rows, copy};
use self::file::Place;
use super::fleet::host;
use super::partitions::{Kind, is_empty};

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

/// Exports a partition that is still in its table: again, where that was done before and it was not let go.
pub(super) async fn attached(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    name: &str,
) -> Result<(), Failed> {
    write(connection, folder, kind, name, name).await
}

/// Exports a partition that was taken out of its table, unless that was done before.
pub(super) async fn detached(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    name: &str,
) -> Result<(), Failed> {
    let written = sqlx::query_scalar!(
        r#"select written_at is not null as "written!" from ringback.export_file where source = $1"#,
        name
    )
    .fetch_optional(&mut *connection)
    .await?;
    match written {
        Some(true) => Ok(()),
        Some(false) | None => write(connection, folder, kind, name, name).await,
    }
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

/// Writes a table to its file; an empty one has none.
async fn write(
    connection: &mut PgConnection,
    folder: &Path,
    kind: Kind,
    table: &str,
    base: &str,
) -> Result<(), Failed> {
    if is_empty(connection, table).await? {
        return Ok(());
    }
    let name = name(connection, folder, table, base).await?;
    let mut place = Place::make(folder, &name).await?;
    let rows = Rows {
        table,
        key: kind.key(),
        after: Uuid::nil(),
        end: Uuid::max(),
    };
    let written = copy(connection, &rows, &mut place.output).await?;
    place.sync().await?;
    // Whoever has lost the connection has lost the turn with it, and leaves it to others.
    connection.execute("select").await?;
    place.take().await?;
    sqlx::query!(
        "update ringback.export_file set written_at = clock_timestamp() where source = $1",
        table
    )
    .execute(connection)
    .await?;
    tracing::info!(
        file = name,
        bytes = written,
        "exported a part of the history"
    );
    Ok(())
}

/// The name of the file of a table: the one that was chosen for it before, or the first that is free.
async fn name(
    connection: &mut PgConnection,
    folder: &Path,
    source: &str,
    base: &str,
) -> Result<String, Failed> {
    let chosen = sqlx::query_scalar!(
        "select file from ringback.export_file where source = $1",
        source
    );
    if let Some(chosen) = chosen.fetch_optional(&mut *connection).await? {
        return Ok(chosen);
    }
    let mut number = 1;
    loop {
        let name = match number {
            1 => format!("{base}.csv"),
            number => format!("{base}_{number}.csv"),
        };
        if !file::exists(folder, &name).await? {
            let free = sqlx::query!(
                r#"
                insert into ringback.export_file (source, file)
                select $1, $2
                where not exists (select from ringback.export_file where export_file.file = $2)
                "#,
                source,
                name
            );
            let free = free.execute(&mut *connection).await?;
            if free.rows_affected() == 1 {
                return Ok(name);
            }
        }
        number += 1;
    }
}
