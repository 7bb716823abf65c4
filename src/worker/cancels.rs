//! Finds the jobs of this worker that are to end, also where the hint about them was lost.

use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;

use super::held::Held;
use crate::ids::{JobId, WorkerId};
use crate::postgres::Database;
use crate::queue::cancel::asked_to_end;
use crate::shutdown::Stop;

/// Looks whenever it is told to, until it is told to stop.
pub(super) async fn run(
    database: Database,
    worker: WorkerId,
    held: Held,
    look: Arc<Notify>,
    stop: Stop,
) {
    while stop.run_until_cancelled(look.notified()).await.is_some() {
        if held.is_empty() {
            continue;
        }
        let asked = database.run(async |connection| asked_to_end(connection, worker).await);
        match stop.run_until_cancelled(asked).await {
            Some(Ok(jobs)) => jobs.into_iter().for_each(|job| held.cancel(job)),
            // It is told again at the next poll.
            Some(Err(error)) => tracing::debug!(%error, "could not look for jobs that are to end"),
            None => return,
        }
    }
}

/// Acts on a hint: the worker that it is for, and which of its jobs are to end.
pub(super) fn hear(payload: &str, worker: WorkerId, held: &Held) {
    let mut ids = payload
        .split(' ')
        .filter_map(|word| Uuid::parse_str(word).ok());
    if ids.next() == Some(worker.0) {
        ids.for_each(|job| held.cancel(JobId(job)));
    }
}
