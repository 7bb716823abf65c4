//! Rows as CSV, made by the database itself: page by page, so that no statement takes long, and none is all in memory.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::Failed;
use super::file::Output;
use crate::postgres::link::limited;

/// How many rows one statement copies; of a job with more, all.
const PAGE: i64 = 5_000;

/// Which rows of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) table: &'a str,
    /// Which column is the job's id.
    pub(super) key: &'static str,
    /// Those after this job,
    pub(super) after: Uuid,
    /// and before this one.
    pub(super) end: Uuid,
}

/// Writes rows, below the names of their columns, in the order of their jobs; answers how many bytes these are.
pub(super) async fn copy(
    connection: &mut PgConnection,
    rows: &Rows<'_>,
    output: &mut Output,
) -> Result<u64, Failed> {
    let Rows {
        table, key, end, ..
    } = rows;
    let (mut after, mut header, mut written) = (rows.after, true, 0);
    loop {
        let bound = format!(
            "select {key} from ringback.{table} where {key} > $1 and {key} < $2 order by {key} offset $3 limit 1"
        );
        let bound = sqlx::query_scalar(AssertSqlSafe(bound))
            .bind(after)
            .bind(end)
            .bind(PAGE - 1);
        let last: Option<Uuid> = limited(bound.fetch_optional(&mut *connection)).await?;
        let until = match last {
            Some(last) => format!("<= '{last}'"),
            None => format!("< '{end}'"),
        };
        let page = format!(
            "copy (select * from ringback.{table} where {key} > '{after}' and {key} {until} order by {key})
             to stdout (format csv, header {header})"
        );
        let mut bytes = limited(connection.copy_out_raw(&page)).await?;
        while let Some(some) = limited(bytes.try_next()).await? {
            written += u64::try_from(some.len()).unwrap_or_default();
            output.write(&some).await?;
        }
        drop(bytes);
        match last {
            Some(last) => (after, header) = (last, false),
            None => break,
        }
    }
    output.flush().await?;
    Ok(written)
}
