//! Standbys that fall behind, and slots that keep the server's log, or dead rows, for somebody who does not come.

use sqlx::PgConnection;

use super::figures::{few, time};
use super::{Check, Finding, Status, or_ok};

/// What a standby is behind when it is promoted is lost: ten seconds are more than a busy network takes.
const LAG: f64 = 10.0;

/// As much log as a server may write in minutes; from here on it fills the disk.
const KEPT: i64 = 1 << 30;

pub(super) async fn standbys(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let wanted = sqlx::query!(
        r#"
        select
            current_setting('synchronous_standby_names') <> '' as "synchronous!",
            pg_has_role(current_user, 'pg_read_all_stats', 'usage') as "sees!"
        "#
    )
    .fetch_one(&mut *connection)
    .await?;
    let standbys = sqlx::query!(
        r#"
        select
            coalesce(nullif(application_name, ''), host(client_addr), 'a standby') as "name!",
            sync_state,
            extract(epoch from replay_lag)::double precision as lag,
            case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint end as behind
        from pg_stat_replication
        order by 1
        "#
    )
    .fetch_all(connection)
    .await?;
    let check = Check::Replication;
    let mut findings = Vec::new();
    for standby in &standbys {
        let lag = standby.lag.unwrap_or_default();
        let behind = standby.behind.unwrap_or_default();
        if lag > LAG || behind > KEPT {
            let mebibytes = behind >> 20;
            findings.push(Finding::new(
                check,
                Status::Warning,
                format!("{} is {} and {mebibytes} MiB behind", standby.name, time(lag)),
                "look for what holds it up: its disk, its network, or long queries on it (max_standby_streaming_delay)",
            ));
        }
    }
    let is_synchronous =
        |state: &Option<String>| matches!(state.as_deref(), Some("sync" | "quorum"));
    let answered = standbys.iter().any(|it| is_synchronous(&it.sync_state));
    if wanted.synchronous && wanted.sees && !answered {
        findings.push(Finding::new(
            check,
            Status::Problem,
            "every commit waits for a synchronous standby, and there is none",
            "bring the standby back; or alter system set synchronous_standby_names = ''; select pg_reload_conf()",
        ));
    }
    if !wanted.sees && (wanted.synchronous || !standbys.is_empty()) {
        findings.push(blind(check));
    }
    let names: Vec<String> = standbys.into_iter().map(|standby| standby.name).collect();
    let found = match names.is_empty() {
        true => "no standby is connected".to_owned(),
        false => format!("none is behind: {}", few(&names)),
    };
    Ok(or_ok(findings, check, found))
}

pub(super) async fn slots(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let slots = sqlx::query!(
        r#"
        select
            slot_name::text as "name!", active as "active!", wal_status,
            coalesce(pg_wal_lsn_diff(
                case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn
            ), 0)::bigint as "kept!",
            quote_literal(slot_name) as "quoted!"
        from pg_replication_slots
        where not temporary
        order by slot_name
        "#
    )
    .fetch_all(connection)
    .await?;
    let check = Check::Slots;
    let mut findings = Vec::new();
    let all = slots.len();
    for slot in slots {
        let mebibytes = slot.kept >> 20;
        let status = match (slot.active, slot.kept > KEPT) {
            (true, false) => continue,
            (_, true) => Status::Problem,
            (false, false) => Status::Warning,
        };
        let reads = if slot.active { "slowly" } else { "by nobody" };
        let wal = slot.wal_status.unwrap_or_default();
        findings.push(Finding::new(
            check,
            status,
            format!("{} is read {reads}, and keeps {mebibytes} MiB of the log ({wal})", slot.name),
            format!(
                "bring its reader back; or, if it does not come back, select pg_drop_replication_slot({})",
                slot.quoted
            ),
        ));
    }
    let found = match all {
        0 => "none".to_owned(),
        all => format!("{all}, all of them read"),
    };
    Ok(or_ok(findings, check, found))
}

/// The statistics of others are for those who may read them.
pub(super) fn blind(check: Check) -> Finding {
    Finding::new(
        check,
        Status::Unseen,
        "this login may not see what the connections of others do",
        "grant pg_read_all_stats to it, or ask as another login",
    )
}
