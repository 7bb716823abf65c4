//! The tables: dead rows, indexes that are no good, and how large everything is.

use sqlx::PgConnection;

use super::figures::{few, many};
use super::{Check, Finding, Status, or_ok};

/// Ten times what autovacuum is told to begin at; it has not been here for long, or may clean nothing away.
const DEAD: i64 = 50_000;
/// A claim is then some ten times as slow.
const FAR_TOO_MANY: i64 = 500_000;
/// Where there is much, more may be dead; autovacuum begins at a fifth of a table.
const DEAD_TO_LIVE: i64 = 2;

pub(super) async fn dead_rows(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let tables = sqlx::query!(
        r#"
        select
            format('ringback.%I', relname) as "name!", n_dead_tup as "dead!", n_live_tup as "live!",
            to_char(
                greatest(last_vacuum, last_autovacuum) at time zone 'UTC', 'YYYY-MM-DD HH24:MI"Z"'
            ) as cleaned
        from pg_stat_all_tables
        where schemaname = 'ringback'
        order by n_dead_tup desc
        "#
    )
    .fetch_all(connection)
    .await?;
    let check = Check::DeadRows;
    let mut findings = Vec::new();
    let dead: i64 = tables.iter().map(|table| table.dead).sum();
    for table in tables {
        let Some(status) = judge(table.dead, table.live) else {
            continue;
        };
        let cleaned = match table.cleaned {
            Some(at) => format!("last cleaned at {at}"),
            None => "never cleaned".to_owned(),
        };
        findings.push(Finding::new(
            check,
            status,
            format!(
                "{} has {} dead rows beside {} live ones, {cleaned}",
                table.name, table.dead, table.live
            ),
            format!(
                "end what the check snapshots names, then vacuum (verbose) {}",
                table.name
            ),
        ));
    }
    let found = many(dead, "dead row", "dead rows");
    Ok(or_ok(findings, check, format!("{found} in all")))
}

fn judge(dead: i64, live: i64) -> Option<Status> {
    match dead {
        dead if dead < DEAD || dead < live * DEAD_TO_LIVE => None,
        FAR_TOO_MANY.. => Some(Status::Problem),
        _ => Some(Status::Warning),
    }
}

pub(super) async fn indexes(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let invalid = sqlx::query!(
        r#"
        select
            format('ringback.%I', called.relname) as "name!", relation.relname::text as "table!",
            exists (
                select from pg_stat_progress_create_index as making where making.index_relid = index.indexrelid
            ) as "is_made!"
        from pg_index as index
        join pg_class as relation on relation.oid = index.indrelid
        join pg_class as called on called.oid = index.indexrelid
        where relation.relnamespace = to_regnamespace('ringback') and not (index.indisvalid and index.indisready)
        order by 1
        "#
    )
    .fetch_all(connection)
    .await?;
    let check = Check::Indexes;
    let mut findings = Vec::new();
    for index in invalid {
        let (status, why) = match index.is_made {
            true => (Status::Warning, "is being made"),
            false => (
                Status::Problem,
                "is not valid: no query uses it, and every write keeps it up",
            ),
        };
        findings.push(Finding::new(
            check,
            status,
            format!("the index {} of {} {why}", index.name, index.table),
            format!(
                "reindex index concurrently {0}; or, if it is none of ours, drop index concurrently {0}",
                index.name
            ),
        ));
    }
    Ok(or_ok(findings, check, "all valid"))
}

pub(super) async fn size(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let tables = sqlx::query!(
        r#"
        select
            coalesce(parent.relname, relation.relname)::text as "name!",
            pg_size_pretty(sum(pg_total_relation_size(relation.oid))) as "size!"
        from pg_class as relation
        left join pg_inherits on pg_inherits.inhrelid = relation.oid
        left join pg_class as parent on parent.oid = pg_inherits.inhparent
        where relation.relnamespace = to_regnamespace('ringback') and relation.relkind = 'r'
        group by 1
        order by sum(pg_total_relation_size(relation.oid)) desc
        limit 3
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    let whole = sqlx::query_scalar!(
        r#"select pg_size_pretty(pg_database_size(current_database())) as "size!""#
    )
    .fetch_one(connection)
    .await?;
    let tables = tables.into_iter();
    let tables: Vec<String> = tables
        .map(|table| format!("{} {}", table.name, table.size))
        .collect();
    let found = format!("the database has {whole}; the largest: {}", few(&tables));
    Ok(vec![Finding::ok(Check::Size, found)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_rows_count_against_the_live_ones() {
        assert_eq!(judge(49_999, 0), None);
        assert_eq!(judge(60_000, 10), Some(Status::Warning));
        assert_eq!(judge(60_000, 1_000_000), None);
        assert_eq!(judge(600_000, 10), Some(Status::Problem));
    }
}
