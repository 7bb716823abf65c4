//! New jobs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Try;
use crate::ids::{ConnectionId, GatewayId, JobId};

/// A job to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Made before the insert, so that it can be inserted again after a cut connection.
    pub id: JobId,
    /// What runs it.
    pub task: String,
    /// The name it was asked by.
    pub task_type: String,
    /// Where it waits.
    pub queue: String,
    /// What it works on.
    pub input: Value,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// How often it may fail.
    pub max_attempts: i32,
    /// Not before this time; now, where there is none.
    pub due_at: Option<SystemTime>,
    /// The socket that asked.
    pub connection: Option<ConnectionId>,
    /// The gateway of that socket.
    pub gateway: Option<GatewayId>,
}

/// Inserts jobs, all or none.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn enqueue(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    this: Try,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let tasks: Vec<&str> = jobs.iter().map(|job| job.task.as_str()).collect();
    let task_types: Vec<&str> = jobs.iter().map(|job| job.task_type.as_str()).collect();
    let queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
    let inputs: Vec<String> = jobs.iter().map(|job| job.input.to_string()).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority).collect();
    let max_attempts: Vec<i32> = jobs.iter().map(|job| job.max_attempts).collect();
    let connections: Vec<Option<Uuid>> = jobs
        .iter()
        .map(|job| job.connection.map(|id| id.0))
        .collect();
    let gateways: Vec<Option<Uuid>> = jobs.iter().map(|job| job.gateway.map(|id| id.0)).collect();
    let due: Vec<Option<f64>> = jobs.iter().map(|job| job.due_at.map(seconds)).collect();
    sqlx::query_file!(
        "src/queue/enqueue.sql",
        &ids,
        &tasks as _,
        &task_types as _,
        &queues as _,
        &inputs,
        &priorities,
        &max_attempts,
        &connections as _,
        &gateways as _,
        &due as _,
        this.again,
        this.hints
    )
    .fetch_one(connection)
    .await
    .map(|_| ())
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
