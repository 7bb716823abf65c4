//! apalis' `Backend` and `TaskSink` over Ringback's queue.
//!
//! An ordinary apalis program uses it as it would any other storage: `push` stores a job that any Ringback worker with
//! that task runs, and a `WorkerBuilder` over it runs jobs that any gateway stored.

mod push;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend as ApalisBackend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use uuid::Uuid;

use super::Settings;
use super::engine::{Engine, Work};
use super::held::Fate;
use super::layer::FinishLayer;
use super::slots::Slots;
use crate::postgres::Database;
use crate::queue::tasks::TaskRow;
use crate::queue::{Claimed, Ending, Why};
use crate::shutdown::Stop;
use crate::task::{Circuits, DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, Limits};
use push::Pushing;

/// A storage of apalis for the tasks of one program; `Args` is what their inputs are read as.
///
/// Nothing is connected before it is used, and nothing is claimed before a worker runs on it.
pub struct Backend<Args> {
    database: Database,
    work: Work,
    settings: Settings,
    /// Those that it shares with others; otherwise it has its own.
    slots: Option<Slots>,
    stop: Stop,
    engine: Option<Engine>,
    /// Why the engine could not be started, to be reported when the worker first asks.
    broken: Option<BackendError>,
    closing: Option<BoxFuture<'static, Result<(), JoinError>>>,
    pushing: Pushing,
    args: PhantomData<fn() -> Args>,
}

/// What can go wrong in the backend, as apalis is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The worker's own parts could not be started.
    #[error("could not start the worker's parts: {0}")]
    Start(#[from] std::io::Error),
    /// One of the worker's own parts died.
    #[error("a part of the worker died: {0}")]
    Died(#[source] JoinError),
    /// The input of a job could not be written as JSON.
    #[error("could not write the input as JSON: {0}")]
    Input(#[from] serde_json::Error),
    /// The database refused a job; the others pushed with it are stored.
    #[error("the database refused the job: {0}")]
    Refused(#[source] sqlx::Error),
    /// The database stayed away; the jobs may have been stored.
    #[error("the database cannot be reached")]
    Away,
}

impl<Args> Backend<Args> {
    /// A storage for the jobs of one task, in the default queue.
    #[must_use]
    pub fn new(database: Database, task: &str) -> Self {
        let task = TaskRow {
            name: task.to_owned(),
            queue: DEFAULT_QUEUE.to_owned(),
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            limits: Limits::none(),
            key_limits: Limits::none(),
            input: None,
            output: None,
        };
        Self::for_tasks(database, vec![task], Settings::default(), Stop::new())
    }

    /// The same with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// A storage for the jobs of several tasks, which claims until `stop` is given. What is pushed is for the first.
    pub(super) fn for_tasks(
        database: Database,
        tasks: Vec<TaskRow>,
        settings: Settings,
        stop: Stop,
    ) -> Self {
        Self {
            pushing: Pushing::new(&database),
            database,
            work: Work {
                tasks,
                circuits: Circuits::default(),
                overtimes: Arc::default(),
            },
            settings,
            slots: None,
            stop,
            engine: None,
            broken: None,
            closing: None,
            args: PhantomData,
        }
    }

    /// The same, which says which of its tasks are paused.
    pub(super) fn with_circuits(mut self, circuits: Circuits) -> Self {
        self.work.circuits = circuits;
        self
    }

    /// The same, which has its slots together with others.
    pub(super) fn with_slots(mut self, slots: Slots) -> Self {
        self.slots = Some(slots);
        self
    }

    /// The same, which waits so long for executions of these tasks when they were told to end.
    pub(super) fn with_overtimes(mut self, overtimes: BTreeMap<String, Duration>) -> Self {
        self.work.overtimes = Arc::new(overtimes);
        self
    }
}

impl<Args: DeserializeOwned + Send + 'static> ApalisBackend for Backend<Args> {
    type Task = Task<Args>;
    type Error = BackendError;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), BackendError>> {
        Poll::Ready(self.broken.take().map_or(Ok(()), Err))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Task<Args>, BackendError>>> {
        let Some(engine) = &mut self.engine else {
            return Poll::Ready(None);
        };
        loop {
            let Some(claim) = ready!(engine.jobs.poll_recv(cx)) else {
                // The end of the tasks does not end apalis' worker; it has to be told. It fails only when it is over.
                let _ = worker.stop();
                return Poll::Ready(None);
            };
            if engine.is_stopping() {
                engine.answer(claim, Fate::PutBack(Why::NotStarted));
                continue;
            }
            match serde_json::from_str::<Args>(&claim.job.input) {
                Ok(args) => {
                    let task = TaskBuilder::new(args)
                        .task_id(TaskId::from_uuid(claim.job.id.0))
                        .attempt(attempts_before(&claim.job))
                        .data(claim)
                        .build();
                    return Poll::Ready(Some(Ok(task)));
                }
                // One job's bad input ends that job, and nothing else.
                Err(error) => {
                    let error = format!("its input is not what the task works on: {error}");
                    engine.answer(
                        claim,
                        Fate::Ended(Ending::Failed {
                            code: "input_invalid".to_owned(),
                            error,
                        }),
                    );
                }
            }
        }
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), BackendError>> {
        if let Some(engine) = self.engine.take() {
            self.closing = Some(Box::pin(engine.close()));
        }
        if let Some(closing) = &mut self.closing {
            let closed = ready!(closing.as_mut().poll(cx));
            self.closing = None;
            return Poll::Ready(closed.map_err(BackendError::Died));
        }
        Poll::Ready(Ok(()))
    }
}

fn attempts_before(job: &Claimed) -> usize {
    usize::try_from(job.attempt - 1).unwrap_or_default()
}

impl<Args> BackendConfig for Backend<Args> {
    type Args = Args;
    type Id = Uuid;
    type Kind = Ephemeral;
    type Config = Settings;
    type Layer = FinishLayer;

    fn config(&self) -> &Settings {
        &self.settings
    }

    /// Called once, when a worker starts to run: the engine starts with it.
    fn middleware(&mut self, worker: &mut WorkerContext) -> FinishLayer {
        let slots = self.slots.take();
        let slots = slots.unwrap_or_else(|| Slots::of(&self.settings, 1).remove(0));
        match Engine::start(
            &self.database,
            self.work.clone(),
            &self.settings,
            slots,
            worker.clone(),
            self.stop.clone(),
        ) {
            Ok(engine) => {
                let layer = engine.layer();
                self.engine = Some(engine);
                layer
            }
            Err(error) => {
                self.broken = Some(BackendError::Start(error));
                FinishLayer {
                    outcomes: mpsc::channel(1).0,
                    held: super::held::Held::default(),
                    stop: self.stop.clone(),
                    max_result: self.settings.max_result,
                    overtimes: Arc::default(),
                }
            }
        }
    }
}

impl<Args> std::fmt::Debug for Backend<Args> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend")
            .field("tasks", &self.work.tasks)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
