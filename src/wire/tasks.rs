//! What the fleet can run, as HTTP has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the fleet can run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    /// All tasks that were ever made known, by their names.
    pub tasks: Vec<TaskInfo>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskInfo {
    /// What it is called.
    pub name: String,
    /// The queue that its jobs wait in.
    pub queue: String,
    /// How often a job of it may fail, unless it says otherwise.
    pub max_attempts: i32,
    /// What its jobs work on, as JSON Schema; what does not fit is refused.
    pub input: Value,
    /// What they give back, as JSON Schema.
    pub output: Value,
    /// How many workers can run it now. Where there is none, its jobs wait for one.
    pub workers: i64,
}
