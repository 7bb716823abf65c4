//! The partitions of the history: made ahead, and none that takes what belongs elsewhere.

use sqlx::{AssertSqlSafe, PgConnection};

use super::figures::few;
use super::{Check, Finding, Status, or_ok};
use crate::queue::partitions::Kind;

const CHECK: Check = Check::Partitions;

/// A week is made ahead, every ten minutes; three days are left for a weekend on which nobody looks.
const AHEAD: i32 = 3;

/// What is missing today or tomorrow is made by whoever needs it, while everybody waits.
const SOON: i32 = 1;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let parents = Kind::ALL.map(Kind::parent);
    let missing = sqlx::query!(
        r#"
        select
            min(day.at) as "days!", to_char(min(today.date + day.at), 'YYYY-MM-DD') as "date!",
            parent.name as "parent!"
        from (select (now() at time zone 'UTC')::date as date) as today
        cross join generate_series(0, $1::integer) as day (at)
        cross join unnest($2::text[]) as parent (name)
        where not exists (
            select from pg_class as part
            where part.relnamespace = 'ringback'::regnamespace and part.relispartition
                and part.relname = parent.name || '_' || to_char(today.date + day.at, 'YYYYMMDD')
        )
        group by parent.name
        order by 1, 3
        "#,
        AHEAD,
        &parents as &[&str]
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut findings = Vec::new();
    if let Some(first) = missing.first() {
        let tables = missing.iter();
        let tables: Vec<String> = tables
            .map(|it| format!("{} from {}", it.parent, it.date))
            .collect();
        let status = match first.days <= SOON {
            true => Status::Problem,
            false => Status::Warning,
        };
        findings.push(Finding::new(
            CHECK,
            status,
            format!("not made ahead: {}", few(&tables)),
            format!(
                "start a gateway or a worker, which makes them, and see its log if it does not; or now: select ringback.make_partitions(day::date) from generate_series(date '{date}', date '{date}' + 7, '1 day') day",
                date = first.date
            ),
        ));
    }
    findings.extend(catch_alls(connection).await?);
    let found = format!("made for today and at least {AHEAD} days ahead");
    Ok(or_ok(findings, CHECK, found))
}

/// Default partitions: somebody else's, since ours are none. What they hold keeps its day from ever being made.
async fn catch_alls(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let defaults = sqlx::query_scalar!(
        r#"
        select format('ringback.%I', part.relname) as "name!"
        from pg_class as part
        where part.relnamespace = 'ringback'::regnamespace and part.relispartition
            and pg_get_expr(part.relpartbound, part.oid) = 'DEFAULT'
        order by 1
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut findings = Vec::new();
    for name in defaults {
        // Read from the catalogue, and quoted by it.
        let any = format!("select exists (select from {name})");
        let any: bool = sqlx::query_scalar(AssertSqlSafe(any))
            .fetch_one(&mut *connection)
            .await?;
        let (status, rows) = match any {
            true => (Status::Problem, "has rows, whose days cannot be made"),
            false => (
                Status::Warning,
                "is locked and searched whenever a day is made",
            ),
        };
        findings.push(Finding::new(
            CHECK,
            status,
            format!("the default partition {name} {rows}"),
            format!("move its rows to where they belong, then drop table {name}"),
        ));
    }
    Ok(findings)
}
