//! Old snapshots: who keeps dead rows from being cleaned away, so that claims become slower and slower.

use std::time::Duration;

use sqlx::PgConnection;

use super::figures::time;
use super::replication::blind;
use super::{Check, Finding, Status, or_ok};

const CHECK: Check = Check::Snapshots;

/// So many times as long as what is told of is a problem: what was slow by then is slow for everybody.
const FAR_TOO_LONG: f64 = 10.0;

/// Standbys and slots are held back by transactions and not by time. A job makes four or so; a claim is ten times as
/// slow after some ten thousand jobs.
const MANY_TRANSACTIONS: i64 = 100_000;

pub(super) async fn look(
    connection: &mut PgConnection,
    long: Duration,
) -> Result<Vec<Finding>, sqlx::Error> {
    let holders = sqlx::query_file!(
        "src/queue/doctor/snapshots.sql",
        long.as_secs_f64(),
        MANY_TRANSACTIONS
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut findings = Vec::new();
    for holder in holders {
        let mut found = holder.name;
        let who = [holder.who, holder.application];
        let who: Vec<String> = who.into_iter().flatten().collect();
        if !who.is_empty() {
            found += &format!(" ({})", who.join(", "));
        }
        if let Some(state) = holder.state {
            found += &format!(", {state}");
        }
        if let Some(seconds) = holder.seconds {
            found += &format!(", open for {}", time(seconds));
        }
        found += &match holder.transactions {
            Some(transactions) => {
                format!(", keeps the dead rows of the last {transactions} transactions")
            }
            None => ", keeps locks only".to_owned(),
        };
        if let Some(query) = holder.query.filter(|query| !query.is_empty()) {
            found += &format!("; last: {query}");
        }
        let seconds = holder.seconds.unwrap_or_default();
        let is_far_too_long = seconds > long.as_secs_f64() * FAR_TOO_LONG
            || (holder.seconds.is_none() && holder.kind == "slot");
        let status = match is_far_too_long {
            true => Status::Problem,
            false => Status::Warning,
        };
        findings.push(Finding::new(CHECK, status, found, holder.advice));
    }
    let hidden = sqlx::query_scalar!(
        r#"
        select count(*) as "hidden!" from pg_stat_activity
        where backend_type is null and datname = current_database()
        "#
    )
    .fetch_one(connection)
    .await?;
    if hidden > 0 {
        findings.push(blind(CHECK));
    }
    let found = format!(
        "no transaction has been open for {}",
        time(long.as_secs_f64())
    );
    Ok(or_ok(findings, CHECK, found))
}
