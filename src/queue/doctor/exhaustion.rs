//! What a server can run out of: room for hints, and transaction ids.

use sqlx::PgConnection;

use super::{Check, Finding, Status};

/// From here on somebody has not listened for long: usually the queue is empty within milliseconds.
const HINTS_MANY: f64 = 0.1;
/// From here on it may be full before anybody has read this. Then hints are left out, and results come by polling.
const HINTS_FULL: f64 = 0.5;

/// Half of all transaction ids. Autovacuum begins at a tenth, so by now it has not come through for long.
const IDS_MANY: i64 = 1_000_000_000;
/// Where Postgres itself throws everything else aside (`vacuum_failsafe_age`); at two billion it takes no more writes.
const IDS_NEARLY_ALL: i64 = 1_600_000_000;

pub(super) async fn hints(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let used = sqlx::query_scalar!(r#"select pg_notification_queue_usage() as "used!""#)
        .fetch_one(connection)
        .await?;
    Ok(vec![judge_hints(used)])
}

fn judge_hints(used: f64) -> Finding {
    let check = Check::Hints;
    let found = format!(
        "the server's queue of notifications is {:.0} % full",
        used * 100.0
    );
    let advice = "somebody listens and has a transaction open: see the check snapshots, on every database of this server; `select pid, application_name from pg_stat_activity where state = 'idle in transaction'`";
    match used {
        used if used >= HINTS_FULL => Finding::new(check, Status::Problem, found, advice),
        used if used >= HINTS_MANY => Finding::new(check, Status::Warning, found, advice),
        _ => Finding::ok(check, found),
    }
}

pub(super) async fn wraparound(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let age = sqlx::query_scalar!(
        r#"
        select greatest(age(datfrozenxid), mxid_age(datminmxid))::bigint as "age!"
        from pg_database where datname = current_database()
        "#
    )
    .fetch_one(connection)
    .await?;
    Ok(vec![judge_ids(age)])
}

fn judge_ids(age: i64) -> Finding {
    let check = Check::Wraparound;
    let found = format!(
        "the oldest transaction id is {} million old, of 2000 million",
        age / 1_000_000
    );
    let advice = "end what the check snapshots names, then vacuum (freeze, verbose)";
    match age {
        IDS_NEARLY_ALL.. => Finding::new(check, Status::Problem, found, advice),
        IDS_MANY.. => Finding::new(check, Status::Warning, found, advice),
        _ => Finding::ok(check, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_out_is_told_in_time() {
        let hints = [0.0, 0.2, 0.6].map(|used| judge_hints(used).status);
        let ids = [200_000_000, 1_100_000_000, 1_700_000_000].map(|age| judge_ids(age).status);
        let expected = [Status::Ok, Status::Warning, Status::Problem];
        assert_eq!((hints, ids), (expected, expected));
    }
}
