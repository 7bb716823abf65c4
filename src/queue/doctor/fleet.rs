//! Who is alive, who has fallen silent, and which tasks workers have paused.

use sqlx::PgConnection;

use super::figures::{few, many, time};
use super::{Check, Finding, Status, or_ok};
use crate::queue::recover::LEASE;

/// Somebody who was killed an hour ago is missed by nobody any more.
const MISSED: f64 = 3_600.0;

/// A beat may be a moment ahead of what was read before it; more is a clock that was set back.
const AHEAD: f64 = 1.0;

#[derive(Debug)]
struct Member {
    kind: String,
    host: String,
    pid: i32,
    version: String,
    silent: f64,
    running: i64,
}

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let members = sqlx::query_as!(
        Member,
        r#"
        select
            'worker' as "kind!", host as "host!", pid as "pid!", version as "version!",
            extract(epoch from clock_timestamp() - beat_at)::double precision as "silent!",
            (
                select count(*) from ringback.job where job.worker_id = worker.id and job.state = 'running'
            ) as "running!"
        from ringback.worker
        where gone_at is null and beat_at > '-infinity'
        union all
        select 'gateway', host, pid, version,
            extract(epoch from clock_timestamp() - beat_at)::double precision, 0
        from ringback.gateway
        "#
    )
    .fetch_all(connection)
    .await?;
    Ok(judge(&members))
}

fn judge(members: &[Member]) -> Vec<Finding> {
    let check = Check::Fleet;
    let lease = LEASE.as_secs_f64();
    let mut findings = Vec::new();
    for member in members {
        let Member {
            kind, host, pid, ..
        } = member;
        if member.silent < -AHEAD {
            findings.push(Finding::new(
                check,
                Status::Problem,
                format!("the {kind} {pid} on {host} has beaten {} from now: the database's clock was set back", time(-member.silent)),
                "set the clock of the database's machine right; until it is past that time, nobody notices if this one dies",
            ));
        } else if member.silent > lease && (member.silent < MISSED || member.running > 0) {
            let status = match member.running {
                0 => Status::Warning,
                _ => Status::Problem,
            };
            findings.push(Finding::new(
                check,
                status,
                format!(
                    "the {kind} {pid} on {host} has been silent for {}, with {}",
                    time(member.silent),
                    many(member.running, "running job", "running jobs")
                ),
                format!("see whether the process {pid} on {host} runs and reaches the database; any other gateway or worker takes its jobs back"),
            ));
        }
    }
    let living = members.iter().filter(|member| member.silent <= lease);
    let (workers, gateways): (Vec<_>, Vec<_>) = living.partition(|member| member.kind == "worker");
    let count = |members: &[&Member]| i64::try_from(members.len()).unwrap_or(i64::MAX);
    let mut found = format!(
        "{} and {} live",
        many(count(&gateways), "gateway", "gateways"),
        many(count(&workers), "worker", "workers")
    );
    let all = gateways.iter().chain(&workers);
    let mut versions: Vec<String> = all.map(|member| member.version.clone()).collect();
    versions.sort();
    versions.dedup();
    if !versions.is_empty() {
        found += &format!(" (version {})", few(&versions));
    }
    or_ok(findings, check, found)
}

pub(super) async fn circuits(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let open = sqlx::query!(
        r#"
        select
            worker.host as "host!", worker.pid as "pid!", open ->> 'task' as "task!",
            (open ->> 'failures')::bigint as "failures!",
            extract(epoch from (open ->> 'until')::timestamptz - clock_timestamp())::double precision as "rest!"
        from ringback.worker
        cross join jsonb_array_elements(worker.circuits) as open
        where worker.gone_at is null
            and worker.beat_at > clock_timestamp() - make_interval(secs => $1)
        order by 3, 1, 2
        "#,
        LEASE.as_secs_f64()
    )
    .fetch_all(connection)
    .await?;
    let check = Check::Circuits;
    let findings: Vec<Finding> = open
        .into_iter()
        .map(|open| {
            Finding::new(
                check,
                Status::Warning,
                format!(
                    "the worker {} on {} has paused {} after {} failures in a row, for {} more",
                    open.pid,
                    open.host,
                    open.task,
                    open.failures,
                    time(open.rest)
                ),
                format!(
                    "see whether the function of {} answers, from {}",
                    open.task, open.host
                ),
            )
        })
        .collect();
    Ok(or_ok(findings, check, "no worker has paused a task"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(silent: f64, running: i64) -> Member {
        Member {
            kind: "worker".to_owned(),
            host: "a".to_owned(),
            pid: 1,
            version: "1.0.0".to_owned(),
            silent,
            running,
        }
    }

    #[test]
    fn whoever_is_silent_is_told_of_and_worse_when_it_holds_jobs() {
        let status = |silent, running| judge(&[member(silent, running)])[0].status;
        assert_eq!(status(3.0, 5), Status::Ok);
        assert_eq!(status(20.0, 0), Status::Warning);
        assert_eq!(status(20.0, 5), Status::Problem);
        assert_eq!(status(7_200.0, 0), Status::Ok);
        assert_eq!(status(7_200.0, 5), Status::Problem);
        assert_eq!(status(-0.5, 0), Status::Ok);
        assert_eq!(status(-30.0, 0), Status::Problem);
    }
}
