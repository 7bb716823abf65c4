//! The jobs that a job asks for.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use serde::Serialize;
use serde_json::Value;

use super::{Task, TaskError};
use crate::telemetry::Traceparent;

/// How many jobs one attempt may ask for.
const MOST: usize = 1_000;

/// and of how many bytes in all.
const LARGEST: usize = 1024 * 1024;

/// What a job costs beside its input.
const COST: usize = 64;

/// The longest that one may be put off.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

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
    /// The trace that it is a part of; that of the job that asks for it, where this does not say.
    pub traceparent: Option<Traceparent>,
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
            traceparent: None,
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

impl FollowUp {
    /// How many bytes it is, about.
    #[must_use]
    pub fn size(&self) -> usize {
        COST + self.task.len() + self.input.to_string().len()
    }

    /// Whether it can be stored, as far as can be said here.
    fn check(&self) -> anyhow::Result<()> {
        let wrong = |text: &str| Err(TaskError::permanent(text).into());
        if self.task.is_empty() {
            return wrong("a job that is asked for needs the name of its task");
        }
        if self.max_attempts.is_some_and(|attempts| attempts < 1) {
            return wrong("a job that is asked for has at least one attempt: raise max_attempts");
        }
        if self.delay.is_some_and(|delay| delay > LONGEST) {
            return wrong("a job that is asked for starts within ten years: shorten its delay");
        }
        Ok(())
    }
}

/// Those that one attempt has asked for.
#[derive(Clone, Debug, Default)]
pub struct FollowUps {
    gathered: Arc<Mutex<Gathered>>,
}

#[derive(Debug, Default)]
struct Gathered {
    jobs: Vec<FollowUp>,
    size: usize,
}

impl FollowUps {
    pub(super) fn add(&self, job: FollowUp) -> anyhow::Result<()> {
        job.check()?;
        let mut gathered = self.lock();
        let size = gathered.size + job.size();
        ensure!(
            gathered.jobs.len() < MOST && size <= LARGEST,
            TaskError::permanent(format!(
                "a job may ask for at most {MOST} others, of {LARGEST} bytes in all; let those that it asks for ask for more"
            ))
        );
        gathered.size = size;
        gathered.jobs.push(job);
        Ok(())
    }

    /// Takes them.
    #[must_use]
    pub fn take(&self) -> Vec<FollowUp> {
        mem::take(&mut *self.lock()).jobs
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered
            .lock()
            .expect("nobody panics while holding the jobs that follow")
    }
}
