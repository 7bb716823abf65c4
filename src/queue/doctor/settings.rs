//! Settings of the server and of this login that keep promises, or break them.

use sqlx::PgConnection;

use super::figures::few;
use super::{Check, Finding, Status, or_ok};

/// The shortest time that the server must leave our statements: those that need longest are given up by the program
/// itself after ten seconds.
const SHORTEST_STATEMENT: i64 = 10_000;

/// What listens for hints is idle for as long as there is nothing to hear.
const IDLE_SESSION: &str = "idle_session_timeout";

pub(super) async fn durability(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let off = sqlx::query!(
        r#"
        select name as "name!", setting as "setting!" from pg_settings
        where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'
        order by name
        "#
    )
    .fetch_all(connection)
    .await?;
    let findings: Vec<Finding> = off
        .into_iter()
        .map(|setting| {
            let name = setting.name;
            let lost = match name.as_str() {
                "synchronous_commit" => "a crash of the server loses jobs that were acknowledged",
                _ => "a crash of the machine may destroy the database",
            };
            Finding::new(
                Check::Durability,
                Status::Problem,
                format!("{name} = off: {lost}"),
                format!("alter system set {name} = on; select pg_reload_conf()"),
            )
        })
        .collect();
    let well = "what is committed outlives a power cut";
    Ok(or_ok(findings, Check::Durability, well))
}

pub(super) async fn autovacuum(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let off = sqlx::query!(
        r#"
        select name as "name!" from pg_settings where name in ('autovacuum', 'track_counts') and setting = 'off'
        "#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut findings: Vec<Finding> = off
        .into_iter()
        .map(|setting| {
            let name = setting.name;
            Finding::new(
                Check::Autovacuum,
                Status::Problem,
                format!("{name} = off: claims become slower with every job that was ever run"),
                format!("alter system set {name} = on; select pg_reload_conf()"),
            )
        })
        .collect();
    let tables = sqlx::query_scalar!(
        r#"
        select format('ringback.%I', relation.relname) as "name!"
        from pg_class as relation
        where relation.relnamespace = to_regnamespace('ringback')
            and exists (
                select from unnest(relation.reloptions) as option
                where option ~ '^autovacuum_enabled=(false|off|no|0)$'
            )
        order by 1
        "#
    )
    .fetch_all(connection)
    .await?;
    if let Some(first) = tables.first() {
        findings.push(Finding::new(
            Check::Autovacuum,
            Status::Problem,
            format!("autovacuum is off for {}", few(&tables)),
            format!("alter table {first} reset (autovacuum_enabled)"),
        ));
    }
    Ok(or_ok(findings, Check::Autovacuum, "on, for every table"))
}

/// As every connection of this login begins with them; those that ours set for themselves are not looked at.
pub(super) async fn time_limits(
    connection: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let limits = sqlx::query!(
        r#"
        select name as "name!", reset_val::bigint as "milliseconds!", quote_ident(current_user) as "login!"
        from pg_settings
        where name in ('statement_timeout', 'idle_session_timeout', 'transaction_timeout') and reset_val::bigint > 0
        order by name
        "#
    )
    .fetch_all(connection)
    .await?;
    let findings = limits
        .into_iter()
        .filter(|limit| limit.name == IDLE_SESSION || limit.milliseconds < SHORTEST_STATEMENT)
        .map(|limit| {
            let (name, milliseconds) = (limit.name, limit.milliseconds);
            let (status, why) = if name == IDLE_SESSION {
                let why = "connections that wait for hints are cut, and made again, all the time";
                (Status::Warning, why)
            } else {
                (
                    Status::Problem,
                    "statements of the program are cut off under load",
                )
            };
            Finding::new(
                Check::TimeLimits,
                status,
                format!("{name} = {milliseconds} ms: {why}"),
                format!("alter role {} set {name} = 0", limit.login),
            )
        })
        .collect();
    Ok(or_ok(
        findings,
        Check::TimeLimits,
        "none that would cut the program off",
    ))
}
