//! The partitions of the history: made ahead, found, and let go without making anybody wait.

mod detach;

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::ids::JobId;
use crate::postgres::link::limited;

pub(super) use detach::{Let, detach, detached, drop_table, held};

/// What the partitioned tables hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Jobs that are over.
    History,
    /// Their attempts but the last.
    Attempts,
    /// Their text, piece by piece.
    Events,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::History, Self::Attempts, Self::Events];

    /// The table.
    pub(super) const fn parent(self) -> &'static str {
        match self {
            Self::History => "job_history",
            Self::Attempts => "job_attempt",
            Self::Events => "job_event",
        }
    }

    /// Where rows wait to be exported that do not go with their partition.
    pub(super) const fn aside(self) -> &'static str {
        match self {
            Self::History => "expired_history",
            Self::Attempts => "expired_attempt",
            Self::Events => "expired_event",
        }
    }

    /// Which column is the job's id.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::History => "id",
            Self::Attempts | Self::Events => "job_id",
        }
    }

    fn of(parent: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.parent() == parent)
    }
}

/// The partition of one day.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// Its table, without its schema: a word and eight digits, which need no quotes.
    pub(super) name: String,
    /// The first id that belongs in it.
    pub(super) first: Uuid,
    /// The first one after it that does not.
    pub(super) end: Uuid,
}

/// Makes the partitions of the coming week.
///
/// # Errors
/// Those of the database.
pub async fn make_ahead(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select ringback.make_partitions_ahead()")
        .execute(connection)
        .await
        .map(|_| ())
}

/// Makes the partitions that these ids belong in.
///
/// # Errors
/// Those of the database.
pub async fn make_for(connection: &mut PgConnection, ids: &[JobId]) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        r#"
        select ringback.make_partitions(day)
        from (
            select distinct (ringback.uuid_time(id) at time zone 'UTC')::date as day from unnest($1::uuid[]) as given (id)
        ) as days
        "#,
        &ids
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Makes the partitions that running jobs belong in.
///
/// # Errors
/// Those of the database.
pub(super) async fn make_for_running(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let running = sqlx::query_scalar!(
        r#"
        select id as "id!: JobId" from ringback.job where state = 'running'
        union all
        select id from ringback.job where state = 'waiting'
        "#
    );
    let ids = running.fetch_all(&mut *connection).await?;
    make_for(connection, &ids).await
}

/// The partitions of days that began before `end`, the oldest first.
///
/// # Errors
/// Those of the database.
pub(super) async fn before(
    connection: &mut PgConnection,
    end: Uuid,
) -> Result<Vec<Part>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select parent as "parent!", name as "name!", first as "first!", "end" as "end!"
        from (
            select
                parent.relname::text as parent, part.relname::text as name,
                ringback.uuid_floor(to_date(right(part.relname, 8), 'YYYYMMDD')::timestamp at time zone 'UTC') as first,
                ringback.uuid_floor((to_date(right(part.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC')
                    as "end"
            from pg_inherits
            join pg_class parent on parent.oid = pg_inherits.inhparent
            join pg_class part on part.oid = pg_inherits.inhrelid
            where parent.relnamespace = 'ringback'::regnamespace
                and parent.relname = any ($1)
                and not pg_inherits.inhdetachpending
                and part.relname ~ '_[0-9]{8}$'
        ) as parts
        where first < $2
        -- What belongs to jobs goes before them.
        order by first, parent
        "#,
        &Kind::ALL.map(|kind| kind.parent().to_owned()) as _,
        end
    )
    .fetch_all(connection)
    .await?;
    let parts = rows.into_iter().filter_map(|row| {
        Some(Part {
            kind: Kind::of(&row.parent)?,
            name: row.name,
            first: row.first,
            end: row.end,
        })
    });
    Ok(parts.collect())
}

/// Whether nothing keeps a partition from being let go as a whole.
///
/// # Errors
/// Those of the database.
pub(super) async fn is_over(
    connection: &mut PgConnection,
    part: &Part,
    cutoff: f64,
) -> Result<bool, sqlx::Error> {
    let needed = sqlx::query_file_scalar!(
        "src/queue/expire/needed.sql",
        part.first,
        part.end,
        cutoff,
        // Of what a job said, a key needs nothing.
        part.kind != Kind::Events
    );
    match limited(needed.fetch_one(&mut *connection)).await?.as_str() {
        "nothing" => Ok(true),
        // Of the others a day may have none.
        "history" if part.kind != Kind::History => limited(is_empty(connection, &part.name)).await,
        _ => Ok(false),
    }
}

/// Whether a table of ours has no row.
///
/// # Errors
/// Those of the database.
pub(super) async fn is_empty(
    connection: &mut PgConnection,
    table: &str,
) -> Result<bool, sqlx::Error> {
    let empty = format!("select not exists (select from ringback.{table})");
    sqlx::query_scalar(AssertSqlSafe(empty))
        .fetch_one(connection)
        .await
}
