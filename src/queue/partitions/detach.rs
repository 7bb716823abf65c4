//! Letting go of a partition: taken out concurrently and then dropped, so that no finish waits for a reader.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Kind, Part};
use crate::postgres::Fault;

/// What became of a change of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Let {
    Gone,
    /// Somebody reads it; it goes another time.
    HeldUp,
}

/// Takes a partition out of its table, which makes no finish wait for a reader.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn detach(
    connection: &mut PgConnection,
    part: &Part,
) -> Result<Let, sqlx::Error> {
    let (parent, name) = (part.kind.parent(), &part.name);
    let detach =
        format!("alter table ringback.{parent} detach partition ringback.{name} concurrently");
    held_up(connection.execute(AssertSqlSafe(detach)).await)
}

/// Finishes what an earlier time could not, and answers which tables are left to be dropped.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn detached(
    connection: &mut PgConnection,
) -> Result<Vec<(Kind, String)>, sqlx::Error> {
    let pending = sqlx::query!(
        r#"
        select inhparent::regclass::text as "parent!", inhrelid::regclass::text as "name!"
        from pg_inherits
        join pg_class parent on parent.oid = inhparent
        where inhdetachpending and parent.relnamespace = 'ringback'::regnamespace
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    for part in pending {
        // Each name was read from the catalogue, and is quoted by it.
        let finalize = format!(
            "alter table {} detach partition {} finalize",
            part.parent, part.name
        );
        held_up(connection.execute(AssertSqlSafe(finalize)).await)?;
    }
    let names = sqlx::query_scalar!(
        r#"
        select part.relname::text as "name!"
        from pg_class part
        where part.relnamespace = 'ringback'::regnamespace
            and part.relkind = 'r'
            and part.relname ~ '^job_(history|attempt|event)_[0-9]{8}$'
            and not part.relispartition
        order by 1
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    let of = |name: String| Some((Kind::of(name.rsplit_once('_')?.0)?, name));
    Ok(names.into_iter().filter_map(of).collect())
}

/// The tables that a reader holds up: each lets go of one partition at a time.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn held(
    connection: &mut PgConnection,
) -> Result<Vec<Kind>, sqlx::Error> {
    let parents = sqlx::query_scalar!(
        r#"
        select distinct parent.relname::text as "parent!"
        from pg_inherits
        join pg_class parent on parent.oid = inhparent
        where inhdetachpending and parent.relnamespace = 'ringback'::regnamespace
        "#
    )
    .fetch_all(connection)
    .await?;
    Ok(parents
        .iter()
        .filter_map(|parent| Kind::of(parent))
        .collect())
}

/// Drops a table that was taken out, and forgets which file it is in.
///
/// # Errors
/// Those of the database.
pub(in crate::queue) async fn drop_table(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Let, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let dropped = transaction
        .execute(AssertSqlSafe(format!("drop table ringback.{name}")))
        .await;
    if held_up(dropped)? == Let::HeldUp {
        transaction.rollback().await?;
        return Ok(Let::HeldUp);
    }
    sqlx::query!("delete from ringback.export_file where source = $1", name)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    tracing::info!(partition = %name, "dropped an expired partition");
    Ok(Let::Gone)
}

fn held_up<T>(result: Result<T, sqlx::Error>) -> Result<Let, sqlx::Error> {
    match result {
        Ok(_) => Ok(Let::Gone),
        Err(error) if Fault::of(&error) == Fault::Locked => Ok(Let::HeldUp),
        Err(error) => Err(error),
    }
}
