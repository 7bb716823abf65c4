//! Runs jobs: apalis over our own queue.
//!
//! Here is the one home of apalis: its runtime drives a [`Backend`] that a claimer fills, and its
//! layers end in a finisher that commits what became of each job. A heartbeat on a thread of its own says that the
//! worker lives, whatever its tasks do to the runtime.

pub mod backend;
mod callbacks;
mod cancels;
mod claimer;
mod ears;
mod ending;
mod engine;
mod execution;
mod figures;
mod finisher;
mod heartbeat;
mod held;
mod idle;
mod layer;
mod lease;
mod slots;
mod stranded;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apalis::prelude::WorkerBuilder;
use apalis_core::task::data::Data;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tracing::Instrument;

use crate::postgres::Shard;
use crate::postgres::listener::Hearing;
use crate::queue::tasks::TaskRow;
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::task::Tasks;

pub use backend::{Backend, BackendError};
pub use held::Claim;

use callbacks::Callbacks;
use slots::Slots;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many jobs it runs at once.
    pub concurrency: usize,
    /// Whether it listens for hints.
    pub hearing: Hearing,
    /// How long its running jobs may still take when it is asked to stop.
    pub grace: Duration,
    /// The largest result, in bytes of JSON; a job that gives a larger one fails.
    pub max_result: usize,
    /// Which queues it claims from, and how many of its slots each may take at most; none is all queues of its tasks.
    pub queues: BTreeMap<String, Option<usize>>,
    /// After how long without anything to do it stops by itself, if ever.
    pub until_idle: Option<Duration>,
    /// Where the gateways are reached by those who call back, without a path; without it, nobody is asked to.
    pub public_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 256,
            hearing: Hearing::Hints,
            grace: Duration::from_secs(30),
            max_result: 1024 * 1024,
            queues: BTreeMap::new(),
            until_idle: None,
            public_url: None,
        }
    }
}

/// Runs jobs of `tasks` until it is told to stop; then lets running ones finish, within the grace, and returns the rest.
/// Nothing of their work is left when it ends. Jobs of all shards share its slots.
///
/// # Errors
/// When the runtime fails. A database that is away is waited for.
pub async fn run(
    shards: impl Into<Shards<Shard>>,
    tasks: Tasks,
    settings: Settings,
    stop: Stop,
) -> anyhow::Result<()> {
    let shards = shards.into();
    for task in tasks.iter() {
        if let Some(doubt) = task.doubt() {
            tracing::warn!(
                task.name = task.name,
                "jobs of this task will fail here, and be tried again: {doubt}"
            );
        }
    }
    let overtime = tasks.overtimes().into_values().max().unwrap_or_default();
    let tasks = Arc::new(tasks);
    let slots = Slots::of(&settings, shards.count());
    let each = shards.places().zip(slots).map(|((place, shard), slots)| {
        let (tasks, settings) = (Arc::clone(&tasks), settings.clone());
        one(shard.clone(), tasks, settings, slots, stop.clone()).instrument(place.span())
    });
    let all = async {
        let mut ended = Ok(());
        let mut each: FuturesUnordered<_> = each.collect();
        while let Some(one) = each.next().await {
            if one.is_err() {
                stop.cancel();
            }
            ended = ended.and(one);
        }
        ended
    };
    // What waits for jobs is told at once, and what runs may finish.
    let close = async {
        stop.cancelled().await;
        tasks.close().await;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = all => ended,
        ended = close => ended,
    };
    let left = tokio::time::timeout(overtime, tasks.close());
    if left.await.is_err() {
        tracing::warn!("stopped before everything that the tasks have started had ended");
    }
    ended
}

/// Runs jobs of one shard, from when its database is there.
async fn one(
    shard: Shard,
    tasks: Arc<Tasks>,
    settings: Settings,
    slots: Slots,
    stop: Stop,
) -> anyhow::Result<()> {
    if stop.run_until_cancelled(shard.comes()).await.is_none() {
        return Ok(());
    }
    let database = shard.database;
    let callbacks = settings.public_url.as_deref().map(|url| Callbacks {
        database: database.clone(),
        public_url: url.into(),
    });
    let rows = TaskRow::all(&tasks);
    let backend = Backend::<Value>::for_tasks(database, rows, settings, stop)
        .with_slots(slots)
        .with_circuits(tasks.circuits())
        .with_overtimes(tasks.overtimes());
    let worker = WorkerBuilder::new("ringback")
        .backend(backend)
        .data(tasks)
        .data(Arc::new(callbacks))
        .build(run_one);
    worker.run().await.context("the worker's runtime failed")
}

/// What apalis calls for each job.
async fn run_one(
    input: Value,
    claim: Data<Arc<Claim>>,
    tasks: Data<Arc<Tasks>>,
    callbacks: Data<Arc<Option<Callbacks>>>,
) -> Result<Value, execution::Failure> {
    let callbacks = Option::as_ref(&callbacks);
    execution::run(&tasks, callbacks, &claim, input).await
}
