//! A job that is asked for.

use std::sync::Arc;

use serde_json::Value;

use crate::gateway::connection::Listens;
use crate::gateway::known_tasks::{Known, KnownTasks};
use crate::ids::JobId;
use crate::task::{Wrong, WrongKind};
use crate::telemetry::{Submit, Traceparent};
use crate::wire::{ErrorItem, ErrorType, TaskPayload};

/// A job that is asked for, and the task that is to run it.
#[derive(Debug)]
pub(in crate::gateway) struct Job {
    pub(in crate::gateway) payload: TaskPayload,
    pub(in crate::gateway) task: Arc<Known>,
    /// What it is to work on.
    pub(in crate::gateway) input: Value,
    /// Its span until it is committed, where spans are exported.
    pub(in crate::gateway) span: Option<Submit>,
}

impl Job {
    /// The job that is asked for, where there is a task for it, and its content is one for that, and not too large.
    pub(in crate::gateway) fn of(
        payload: TaskPayload,
        tasks: &KnownTasks,
        limit: usize,
    ) -> Result<Self, Vec<ErrorItem>> {
        let field = if payload.input.is_some() {
            "input"
        } else {
            "content"
        };
        let size = payload.to_text().len();
        if limit > 0 && size > limit {
            return Err(vec![ErrorItem::content_too_large(field, size, limit)]);
        }
        let Some(task) = tasks.resolve(&payload.task_type) else {
            return Err(vec![ErrorItem::task_unknown(&payload.task_type)]);
        };
        match task.fit(payload.to_input()) {
            Ok(input) => Ok(Self {
                span: Submit::begin(
                    &task.task.name,
                    &task.task.queue,
                    payload.traceparent.as_ref(),
                ),
                payload,
                task,
                input,
            }),
            Err(wrong) => {
                let wrong = wrong.iter();
                Err(wrong.map(|wrong| not_an_input(field, wrong)).collect())
            }
        }
    }

    /// The jobs that are asked for together.
    pub(in crate::gateway) fn all(
        payloads: Vec<TaskPayload>,
        tasks: &KnownTasks,
        limit: usize,
    ) -> Result<Vec<Self>, Vec<ErrorItem>> {
        let jobs = payloads.into_iter().enumerate().map(|(number, payload)| {
            let job = Self::of(payload, tasks, limit);
            job.map_err(|errors| {
                errors
                    .into_iter()
                    .map(|error| error.of_job(number))
                    .collect()
            })
        });
        jobs.collect()
    }

    /// Whether the client wants to hear of the job while it runs.
    pub(super) fn listens(&self) -> Listens {
        if self.payload.stream.unwrap_or(false) {
            Listens::Yes
        } else {
            Listens::No
        }
    }

    /// The trace that it is a part of: under its own span, where there is one.
    pub(super) fn traceparent(&self) -> Option<Traceparent> {
        let span = self.span.as_ref().and_then(Submit::traceparent);
        span.or_else(|| self.payload.traceparent.clone())
    }

    /// It is committed, as this job.
    pub(super) fn stored(&mut self, job: JobId) {
        if let Some(span) = self.span.take() {
            span.stored(job);
        }
    }

    /// It is not committed.
    pub(super) fn refused(&mut self, error: &ErrorItem) {
        if let Some(span) = self.span.take() {
            span.refused(error.kind.name());
        }
    }
}

/// What the task cannot work on.
fn not_an_input(field: &str, wrong: &Wrong) -> ErrorItem {
    let kind = match wrong.kind {
        WrongKind::Missing => ErrorType::Missing,
        WrongKind::Text => ErrorType::StringType,
        WrongKind::Number => ErrorType::FloatType,
        WrongKind::Integer => ErrorType::IntType,
        WrongKind::Boolean => ErrorType::BoolType,
        WrongKind::List => ErrorType::ListType,
        WrongKind::Object => ErrorType::ModelType,
        WrongKind::Null => ErrorType::NoneRequired,
        WrongKind::Value => ErrorType::ValueError,
    };
    let mut loc = vec!["system_message", "payload", field];
    loc.extend(wrong.path.iter().map(String::as_str));
    ErrorItem::new(kind, &loc, wrong.message.clone())
}
