//! Whether the server has as many connections as the fleet may open.

use sqlx::PgConnection;

use super::{Check, Finding, Status};
use crate::postgres::POOLED;
use crate::queue::recover::LEASE;

const CHECK: Check = Check::Connections;

/// What every process has besides its shared connections: the three of its sweeper, and the one that watches over a
/// private server.
pub const OF_A_PROCESS: u32 = POOLED + 4;

/// What a gateway has besides: acks, feed, health, intake, the listener, relay, waiting, watch.
pub const OF_A_GATEWAY: u32 = 8;

/// What a worker has besides: the claimer, the finisher, the heartbeat, the listener.
pub const OF_A_WORKER: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Count {
    /// As many as there can be for logins like this one.
    room: i64,
    /// What there is of others.
    others: i64,
    /// What there is of ours.
    ours: i64,
    /// What ours would be if every pool were full.
    need: i64,
}

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let server = sqlx::query!(
        r#"
        select
            current_setting('max_connections')::bigint as "most!",
            current_setting('superuser_reserved_connections')::bigint
                + coalesce(current_setting('reserved_connections', true)::bigint, 0) as "reserved!",
            (
                select least(
                    (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user),
                    (select nullif(datconnlimit, -1) from pg_database where datname = current_database())
                )
            ) as limited,
            -- Whose kind cannot be seen are the connections of other logins.
            (
                select count(*) from pg_stat_activity
                where coalesce(backend_type, 'client backend') = 'client backend' and usesysid is not null
                    and pid <> pg_backend_pid()
            ) as "all!",
            (
                select count(*) from pg_stat_activity
                where application_name like 'ringback%' and datname = current_database() and pid <> pg_backend_pid()
            ) as "ours!"
        "#
    )
    .fetch_one(&mut *connection)
    .await?;
    let fleet = sqlx::query!(
        r#"
        with living as (
            select host, pid, true as serves from ringback.gateway
            where beat_at > clock_timestamp() - make_interval(secs => $1)
            union all
            select host, pid, false from ringback.worker
            where gone_at is null and beat_at > clock_timestamp() - make_interval(secs => $1)
        )
        select
            count(*) filter (where serves) as "gateways!", count(*) filter (where not serves) as "workers!",
            -- A process can be both.
            count(distinct (host, pid)) as "processes!"
        from living
        "#,
        LEASE.as_secs_f64()
    )
    .fetch_one(connection)
    .await?;
    let room = server.most - server.reserved;
    let count = Count {
        room: server.limited.map_or(room, |limit| room.min(limit.into())),
        others: server.all - server.ours,
        ours: server.ours,
        need: fleet.processes * i64::from(OF_A_PROCESS)
            + fleet.gateways * i64::from(OF_A_GATEWAY)
            + fleet.workers * i64::from(OF_A_WORKER),
    };
    Ok(vec![judge(count, server.reserved)])
}

fn judge(count: Count, reserved: i64) -> Finding {
    let Count {
        room,
        others,
        ours,
        need,
    } = count;
    let found = format!(
        "room for {room} connections; the fleet has {ours} and opens up to {need}, others have {others}"
    );
    let status = match (need > room, need + others > room) {
        (true, _) => Status::Problem,
        (false, true) => Status::Warning,
        (false, false) => return Finding::ok(CHECK, found),
    };
    // With room for one more process, and in round figures.
    let more = need + others + reserved + i64::from(OF_A_PROCESS + OF_A_GATEWAY + OF_A_WORKER);
    let more = (more + 49) / 50 * 50;
    let advice = format!(
        "alter system set max_connections = {more}, and restart the server; or fewer processes, each with more --concurrency; and look for a limit of the login or the database (connection limit)"
    );
    Finding::new(CHECK, status, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(room: i64, others: i64, need: i64) -> Status {
        let count = Count {
            room,
            others,
            ours: 0,
            need,
        };
        judge(count, 3).status
    }

    #[test]
    fn the_fleet_needs_room_beside_the_others() {
        assert_eq!(status(97, 10, 40), Status::Ok);
        assert_eq!(status(97, 60, 40), Status::Warning);
        assert_eq!(status(30, 0, 40), Status::Problem);
    }
}
