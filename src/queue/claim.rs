//! Taking jobs to run them.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::Cursor;
use super::cursor::Place;
use crate::ids::{ClaimId, ConnectionId, JobId, WorkerId};
use crate::telemetry::Traceparent;

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// The fence of every later write.
    pub claim_id: ClaimId,
    /// Where it waited.
    pub queue: String,
    /// Its place there.
    pub rank: i64,
    /// What runs it.
    pub task: String,
    /// The name it was asked by.
    pub task_type: String,
    /// What it works on, as JSON.
    pub input: String,
    /// Which start of it this is, from 1.
    pub attempt: i32,
    /// How often it has failed before.
    pub failures: i32,
    /// How often it may fail.
    pub max_attempts: i32,
    /// The socket that asked.
    pub connection_id: Option<ConnectionId>,
    /// Whether whoever asked wants to hear of it while it runs.
    pub stream: bool,
    /// The trace that it is a part of.
    pub traceparent: Option<Traceparent>,
    /// For how long it could have started before it was claimed.
    pub waited: Duration,
}

/// What one claim gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The jobs, in the order they waited in.
    pub jobs: Vec<Claimed>,
    /// Whether one of the queues is paused: nobody may say when it no longer is.
    pub paused: bool,
}

/// What a worker may claim, and how.
#[derive(Debug)]
pub struct Want<'a> {
    /// The worker.
    pub worker: WorkerId,
    /// What it can run.
    pub tasks: &'a [String],
    /// For how many jobs it has room.
    pub width: usize,
    /// For how many of each queue, where that is less.
    pub widths: BTreeMap<String, usize>,
    /// How the claim is committed.
    pub commit: Commit,
}

impl<'a> Want<'a> {
    /// At most so many jobs of any queue, in a claim that may be lost.
    #[must_use]
    pub fn any(worker: WorkerId, tasks: &'a [String], width: usize) -> Self {
        Self {
            worker,
            tasks,
            width,
            widths: BTreeMap::new(),
            commit: Commit::Soon,
        }
    }
}

/// How a claim is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before it is answered.
    Durable,
    /// A little later: a crash of the server may undo it, and another worker then claims the same job.
    Soon,
}

/// Claims ready jobs.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    connection: &mut PgConnection,
    cursor: &std::sync::Mutex<Cursor>,
    want: &Want<'_>,
) -> Result<Claims, sqlx::Error> {
    let scan = lock(cursor).start();
    let width = i64::try_from(want.width).unwrap_or(i64::MAX);
    let mut places: Vec<(&String, &Place)> = scan.from.iter().collect();
    // Another queue is asked first each time, so that a backlog in one does not starve the others.
    let first = fastrand::usize(..places.len().max(1));
    places.rotate_left(first);
    let queues: Vec<String> = places.iter().map(|(queue, _)| (*queue).clone()).collect();
    let ranks: Vec<i64> = places.iter().map(|(_, place)| place.rank).collect();
    let ids: Vec<Uuid> = places.iter().map(|(_, place)| place.id).collect();
    let width_of = |queue: &String| match want.widths.get(queue) {
        Some(width) => i64::try_from(*width).unwrap_or(i64::MAX),
        None => width,
    };
    let widths: Vec<i64> = queues.iter().map(width_of).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "src/queue/claim.sql",
        &queues,
        &ranks,
        &ids,
        want.worker.0,
        want.tasks,
        &widths,
        want.commit == Commit::Soon,
        width
    )
    .fetch_all(connection)
    .await
    // The hints that it used up are not to be lost.
    .inspect_err(|_| lock(cursor).rewind())?;
    let paused = rows.iter().any(|row| row.paused);
    let mut jobs: Vec<Claimed> = rows.into_iter().filter_map(Row::claimed).collect();
    lock(cursor).found(&scan, &jobs);
    // An update returns its rows in no order; they start in the order they waited in.
    jobs.sort_by_key(|job| (job.rank, job.id));
    Ok(Claims { jobs, paused })
}

/// A job that was claimed, if there is one, and whether a queue is paused.
struct Row {
    id: Option<JobId>,
    claim_id: Option<ClaimId>,
    queue: Option<String>,
    rank: Option<i64>,
    task: Option<String>,
    task_type: Option<String>,
    input: Option<String>,
    attempt: Option<i32>,
    failures: Option<i32>,
    max_attempts: Option<i32>,
    connection_id: Option<ConnectionId>,
    stream: Option<bool>,
    traceparent: Option<String>,
    waited: Option<f64>,
    paused: bool,
}

impl Row {
    fn claimed(self) -> Option<Claimed> {
        Some(Claimed {
            id: self.id?,
            claim_id: self.claim_id?,
            queue: self.queue?,
            rank: self.rank?,
            task: self.task?,
            task_type: self.task_type?,
            input: self.input?,
            attempt: self.attempt?,
            failures: self.failures?,
            max_attempts: self.max_attempts?,
            connection_id: self.connection_id,
            stream: self.stream?,
            traceparent: self.traceparent.as_deref().and_then(Traceparent::parse),
            waited: Duration::try_from_secs_f64(self.waited?).unwrap_or_default(),
        })
    }
}

fn lock(cursor: &std::sync::Mutex<Cursor>) -> std::sync::MutexGuard<'_, Cursor> {
    cursor
        .lock()
        .expect("nobody panics while holding the cursor")
}
