//! What is due and not done: what some process should have seen to by itself.

use sqlx::PgConnection;

use super::figures::time;
use super::{Check, Finding, Status, or_ok};

const CHECK: Check = Check::Due;

/// A process looks every three seconds or so; a minute is enough for a database that was away.
const LATE: f64 = 60.0;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let late = sqlx::query!(
        r#"
        select
            late.what as "what!", count(*) as "count!",
            extract(epoch from clock_timestamp() - min(late.due))::double precision as "since!"
        from (
            select 'scheduled jobs that are not ready' as what, run_at as due from ringback.job where state = 'scheduled'
            union all
            select 'jobs that wait in vain to be called back', deadline from ringback.job where state = 'waiting'
            union all
            select 'recurring jobs that have not fired', next_at from ringback.recurring
            union all
            select 'limits that nobody has looked at', due_at from ringback.limit_event
        ) as late
        where late.due < clock_timestamp() - make_interval(secs => $1)
        group by late.what
        order by late.what
        "#,
        LATE
    )
    .fetch_all(connection)
    .await?;
    let findings: Vec<Finding> = late
        .into_iter()
        .map(|late| {
            Finding::new(
                CHECK,
                Status::Problem,
                format!("{}: {}, for {}", late.what, late.count, time(late.since)),
                "start a gateway or a worker: each of them sees to it; if one runs, its log says why it does not",
            )
        })
        .collect();
    Ok(or_ok(findings, CHECK, "nothing is late"))
}
