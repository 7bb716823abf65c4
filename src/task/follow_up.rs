//! The jobs that a job asks for.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use serde::Serialize;
use serde_json::Value;

use super::{Task, TaskError};

/// How many jobs one attempt may ask for.
const MOST: usize = 1_000;

/// A job that another one asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// The task that runs it.
    pub task: String,
    /// What it works on.
    pub input: Value,
    /// So long after it is stored, it may start;
    pub delay: Option<Duration>,
    /// or at this time.
    pub run_at: Option<SystemTime>,
    /// Each step is worth a minute of waiting.
    pub priority: i16,
    /// How often it may fail, where that is not as often as its task says.
    pub max_attempts: Option<i32>,
    /// Jobs of one task with the same key share its limits for each key.
    pub concurrency_key: Option<String>,
}

impl FollowUp {
    /// A job that starts at once.
    pub fn new(task: impl Into<String>, input: impl Into<Value>) -> Self {
        Self {
            task: task.into(),
            input: input.into(),
            delay: None,
            run_at: None,
            priority: 0,
            max_attempts: None,
            concurrency_key: None,
        }
    }

    /// A job of this type of task.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn of<T: Task>(input: &T::Input) -> anyhow::Result<Self>
    where
        T::Input: Serialize,
    {
        Ok(Self::new(T::NAME, serde_json::to_value(input)?))
    }
}

/// Those that one attempt has asked for.
#[derive(Clone, Debug, Default)]
pub struct FollowUps {
    jobs: Arc<Mutex<Vec<FollowUp>>>,
}

impl FollowUps {
    pub(super) fn add(&self, job: FollowUp) -> anyhow::Result<()> {
        let mut jobs = self.lock();
        ensure!(
            jobs.len() < MOST,
            TaskError::permanent(format!(
                "a job may ask for at most {MOST} others; let those that it asks for ask for more"
            ))
        );
        jobs.push(job);
        Ok(())
    }

    /// Takes them.
    #[must_use]
    pub fn take(&self) -> Vec<FollowUp> {
        mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<FollowUp>> {
        self.jobs
            .lock()
            .expect("nobody panics while holding the jobs that follow")
    }
}
