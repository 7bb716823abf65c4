//! The parts around the runtime: claimer, listener, finisher, heartbeat; started and stopped together.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::DropGuard;

use super::claimer::Claimer;
use super::ears::Ears;
use super::finisher::Finisher;
use super::heartbeat::Heartbeat;
use super::held::{Claim, Fate, Held};
use super::layer::FinishLayer;
use super::lease::Lease;
use super::slots::Slots;
use super::{Settings, cancels};
use crate::ids::WorkerId;
use crate::postgres::Database;
use crate::postgres::listener::Listener;
use crate::queue::fleet::{WorkerRow, host};
use crate::queue::tasks::TaskRow;
use crate::queue::{CANCEL_CHANNEL, Cursor, READY_CHANNEL, Why};
use crate::shutdown::{Stop, sleep};
use crate::task::Circuits;

/// How long outcomes may still wait for a database that is away, after the last job has ended.
const LAST_COMMITS: Duration = Duration::from_secs(5);

/// How soon claiming ends after the runtime was told to stop.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// A running engine. When it is dropped without [`close`](Self::close), the worker falls silent.
#[derive(Debug)]
pub(super) struct Engine {
    /// Claimed jobs, in the order to start them.
    pub(super) jobs: mpsc::Receiver<Arc<Claim>>,
    finish: FinishLayer,
    /// Given when no more jobs are to be claimed.
    stop: Stop,
    /// Given when no more outcomes can come.
    last_outcome: Stop,
    /// Given when the database can be waited for no longer.
    give_up: Stop,
    /// Given when nothing is held any more.
    silence: DropGuard,
    parts: JoinSet<()>,
    heartbeat: std::thread::JoinHandle<()>,
}

/// What an engine works on.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) tasks: Vec<TaskRow>,
    /// What pauses some of them.
    pub(super) circuits: Circuits,
    /// How long the executions of some are waited for when they were told to end.
    pub(super) overtimes: Arc<BTreeMap<String, Duration>>,
}

impl Engine {
    pub(super) fn start(
        database: &Database,
        work: Work,
        settings: &Settings,
        slots: Slots,
        runtime: WorkerContext,
        stop: Stop,
    ) -> std::io::Result<Self> {
        let Work {
            tasks,
            circuits,
            overtimes,
        } = work;
        let concurrency = slots.concurrency();
        let mut queues: Vec<String> = settings.queues.keys().cloned().collect();
        if queues.is_empty() {
            queues.extend(tasks.iter().map(|task| task.queue.clone()));
        }
        queues.sort();
        queues.dedup();
        let worker = WorkerRow {
            id: WorkerId::random(),
            host: host(),
            queues: queues.clone(),
            tasks: tasks.iter().map(|task| task.name.clone()).collect(),
            concurrency: i32::try_from(concurrency).unwrap_or(i32::MAX),
        };
        let worker_id = worker.id;
        let tasks: Arc<[TaskRow]> = tasks.into();
        tracing::info!(worker.id = %worker_id, concurrency, "working");
        let held = Held::default();
        let lease = Lease::new();
        let silence = Stop::new();
        let cursor = Arc::new(Mutex::new(Cursor::new(queues)));
        let wake = slots.room();
        let limits = Arc::new(AtomicBool::new(true));
        let told = Arc::new(Notify::new());
        let look_for_cancels = Arc::new(Notify::new());
        let (send_job, jobs) = mpsc::channel(concurrency);
        // Room for as many outcomes as there are slots; when it is full, slots stay taken and claiming stops.
        let (outcomes, receive_outcomes) = mpsc::channel(concurrency);
        let heartbeat = Heartbeat {
            worker,
            tasks: Arc::clone(&tasks),
            circuits: circuits.clone(),
            held: held.clone(),
            outcomes: outcomes.clone(),
            lease: lease.clone(),
            stop: stop.clone(),
        };
        let heartbeat = heartbeat.start(database, silence.clone())?;
        let last_outcome = Stop::new();
        let give_up = Stop::new();
        let mut parts = JoinSet::new();
        let claimer = Claimer {
            worker: worker_id,
            tasks,
            circuits,
            link: database.link("claimer"),
            cursor: Arc::clone(&cursor),
            wake: Arc::clone(&wake),
            limits: Arc::clone(&limits),
            idle: slots.idle(),
            slots,
            lease: lease.clone(),
            held: held.clone(),
            told: Arc::clone(&told),
            jobs: send_job,
            outcomes: outcomes.clone(),
        };
        parts.spawn(claimer.run(stop.clone()));
        let channels = [READY_CHANNEL, CANCEL_CHANNEL].map(str::to_owned);
        let ears = Ears {
            listener: Listener::new(database, channels.to_vec(), settings.hearing),
            hearing: settings.hearing,
            worker: worker_id,
            cursor,
            limits,
            wake,
            held: held.clone(),
            look_for_cancels: Arc::clone(&look_for_cancels),
        };
        // Until nothing runs any more: also while the last jobs finish, they may be asked to end.
        parts.spawn(ears.run(last_outcome.clone()));
        parts.spawn(cancels::run(
            database.clone(),
            worker_id,
            held.clone(),
            look_for_cancels,
            last_outcome.clone(),
        ));
        let finisher = Finisher {
            link: database.link("finisher"),
            outcomes: receive_outcomes,
            told,
            lease,
            held: held.clone(),
        };
        parts.spawn(finisher.run(last_outcome.clone(), give_up.clone()));
        parts.spawn(watch_runtime(runtime, stop.clone()));
        parts.spawn(limit_grace(
            settings.grace,
            stop.clone(),
            last_outcome.clone(),
            held.clone(),
        ));
        let finish = FinishLayer {
            outcomes,
            held,
            stop: stop.clone(),
            max_result: settings.max_result,
            overtimes,
        };
        Ok(Self {
            jobs,
            finish,
            stop,
            last_outcome,
            give_up,
            silence: silence.drop_guard(),
            parts,
            heartbeat,
        })
    }

    /// The layer that answers for every job of this engine.
    pub(super) fn layer(&self) -> FinishLayer {
        self.finish.clone()
    }

    /// Whether jobs that are claimed already are to be handed back.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Answers for a claim that was not started.
    pub(super) fn answer(&self, claim: Arc<Claim>, fate: Fate) {
        self.finish.answer_now(claim, fate);
    }

    /// Hands back what was not started, commits what is left, says goodbye, and waits for every part.
    ///
    /// Called when nothing is running any more.
    ///
    /// # Errors
    /// When a part had died: then what it was to do is left to the others, by this worker's silence.
    pub(super) async fn close(mut self) -> Result<(), JoinError> {
        self.stop.cancel();
        while let Some(claim) = self.jobs.recv().await {
            self.answer(claim, Fate::PutBack(Why::NotStarted));
        }
        self.last_outcome.cancel();
        let give_up = self.give_up.clone();
        let mut ended = Ok(());
        let all_parts = async {
            while let Some(part) = self.parts.join_next().await {
                ended = std::mem::replace(&mut ended, Ok(())).and(part);
            }
        };
        let last_moment = async {
            tokio::time::sleep(LAST_COMMITS).await;
            give_up.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = all_parts => {}
            () = last_moment => {}
        }
        drop(self.silence);
        let heartbeat = self.heartbeat;
        // A heartbeat that panicked has been silent for a while; there is nothing to add.
        let _ = tokio::task::spawn_blocking(move || heartbeat.join()).await;
        ended
    }
}

/// Stops claiming when the runtime is told to stop by its own means, such as apalis' `Monitor`. It only asks for its
/// backend again when everything has ended, and has no other way to hear of it.
async fn watch_runtime(runtime: WorkerContext, stop: Stop) {
    while !runtime.is_shutting_down() {
        if !sleep(WATCH_EVERY, &stop).await {
            return;
        }
    }
    stop.cancel();
}

/// Drops what is still running when the time to finish is over.
async fn limit_grace(grace: Duration, stop: Stop, over: Stop, held: Held) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = over.cancelled() => return,
    }
    if sleep(grace, &over).await {
        held.drop_all();
    }
}
