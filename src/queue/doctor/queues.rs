//! Queues in which jobs wait for nobody, or for longer than anybody meant.

use sqlx::PgConnection;

use super::figures::{many, time};
use super::{Check, Finding, Status, or_ok};
use crate::queue::recover::LEASE;

const CHECK: Check = Check::Queues;

/// Whoever has workers, and jobs that wait for so long, has too few.
const LONG: f64 = 600.0;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let queues = sqlx::query_file!("src/queue/doctor/queues.sql", LEASE.as_secs_f64())
        .fetch_all(connection)
        .await?;
    let mut findings = Vec::new();
    let mut ready = 0;
    for row in queues {
        ready += row.ready;
        let queue = row.queue;
        let waited = time(row.waited.unwrap_or_default());
        let task = row.task.unwrap_or_default();
        let jobs = many(row.ready, "ready job", "ready jobs");
        if let Some(paused) = row.paused {
            let since = time(paused);
            findings.push(Finding::new(
                CHECK,
                Status::Warning,
                format!("the queue {queue} has been paused for {since}, with {jobs}"),
                format!("ringback queues resume {queue}"),
            ));
        } else if row.workers == 0 {
            findings.push(Finding::new(
                CHECK,
                Status::Problem,
                format!("no living worker takes {task} from the queue {queue}: {jobs}, the oldest for {waited}"),
                format!("start a worker that has the task {task}, with --queues {queue} or without --queues"),
            ));
        } else if row.waited.is_some_and(|waited| waited > LONG) {
            let workers = many(row.workers, "worker", "workers");
            findings.push(Finding::new(
                CHECK,
                Status::Warning,
                format!(
                    "{jobs} of {task} in the queue {queue}, the oldest for {waited}, for {workers}"
                ),
                "start more workers, or give them more --concurrency",
            ));
        }
    }
    let found = match ready {
        0 => "no ready job waits".to_owned(),
        ready => format!(
            "{}, and workers for all",
            many(ready, "ready job", "ready jobs")
        ),
    };
    Ok(or_ok(findings, CHECK, found))
}
