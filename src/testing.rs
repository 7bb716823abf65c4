//! Tests of one's own tasks: all of Ringback in the test's process, on a throwaway Postgres.
//!
//! Nothing runs until the test says so, so that it sees each step; or a worker runs all the while, and the test waits for
//! what it is about.
//!
//! ```no_run
//! use ringback::task::from_fn;
//! use ringback::testing::Ringback;
//! use ringback::{Context, Tasks};
//! use serde_json::json;
//!
//! # async fn shouting() -> anyhow::Result<()> {
//! let shout = from_fn("shout", |text: String, _: Context| async move { Ok(text.to_uppercase()) });
//! let ringback = Ringback::start(Tasks::new().with(shout)).await?;
//! let job = ringback.submit("shout", "hello").await?;
//! ringback.run_until_idle().await?;
//! assert_eq!(ringback.job(job).await?.result, Some(json!("HELLO")));
//! # Ok(())
//! # }
//! ```
//!
//! It needs PostgreSQL 15 or newer installed, which it finds as `ringback dev` does.

mod client;
mod marker;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::config::Keep;
use crate::gateway::{self, Access, Auth, Limits};
use crate::ids::JobId;
use crate::postgres::Database;
use crate::postgres::listener::Hearing;
use crate::postgres::throwaway::Throwaway;
use crate::queue::submit::{Request, submit};
use crate::queue::tasks::{TaskRow, register};
use crate::queue::{Actor, backlog, jobs, retry};
use crate::shutdown::Stop;
use crate::sweeper;
use crate::task::Tasks;
use crate::wire::{Job, JobState};
use crate::worker;

pub use client::Client;
pub use marker::Marker;

/// How long anything is waited for, before the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long things are kept: longer than any test.
const KEEP: Duration = Duration::from_secs(86_400);

/// All of Ringback, for one test; when it is dropped, all of it ends, and the next one to start deletes its database.
#[derive(Debug)]
pub struct Ringback {
    tasks: Tasks,
    database: Database,
    /// What runs until the end: a gateway, a worker.
    running: JoinSet<anyhow::Result<()>>,
    address: Option<String>,
    // Last, so that everything else has been told to let go of it.
    throwaway: Throwaway,
}

impl Ringback {
    /// With these tasks, on a database of its own. No job runs yet.
    ///
    /// # Errors
    /// When no Postgres can be started; the message says what was tried.
    pub async fn start(tasks: Tasks) -> anyhow::Result<Self> {
        let throwaway = Throwaway::create().await?;
        let database = Database::new(&throwaway.url)?;
        let rows = TaskRow::all(&tasks);
        database
            .run(async |connection| register(connection, None, &rows).await)
            .await?;
        Ok(Self {
            tasks,
            database,
            running: JoinSet::new(),
            address: None,
            throwaway,
        })
    }

    /// Where its database is, for the test's own questions.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.throwaway.url
    }

    /// Submits a job.
    ///
    /// # Errors
    /// When there is no such task, or it cannot work on this.
    pub async fn submit(&self, task: &str, input: impl Into<Value>) -> anyhow::Result<JobId> {
        self.submit_as(&Request::new(task, input)).await
    }

    /// Submits a job with options.
    ///
    /// # Errors
    /// The same.
    pub async fn submit_as(&self, request: &Request) -> anyhow::Result<JobId> {
        let submitted = self
            .database
            .run(async |connection| Ok(submit(connection, request).await));
        Ok(submitted.await??)
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// When there is none of this id.
    pub async fn job(&self, id: JobId) -> anyhow::Result<Job> {
        let found = self
            .database
            .run(async |connection| jobs::find(connection, id).await)
            .await?;
        found.with_context(|| format!("there is no job {id}"))
    }

    /// Runs what is due, and what follows it, until there is nothing left; what waits for its time waits on.
    ///
    /// # Errors
    /// When there is still something after 30 seconds.
    pub async fn run_until_idle(&self) -> anyhow::Result<()> {
        let stop = Stop::new();
        let _stopped = stop.clone().drop_guard();
        let mut working = JoinSet::new();
        self.work(&mut working, &stop);
        let idle = async {
            loop {
                if self
                    .database
                    .run(async |connection| backlog::is_done(connection).await)
                    .await?
                {
                    return anyhow::Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let idle = timeout(PATIENCE, idle).await;
        stop.cancel();
        while let Some(ended) = working.join_next().await {
            ended.context("the worker has panicked")??;
        }
        idle.context("there are still jobs to run; does one of them wait for something?")?
    }

    /// Makes due whatever waits for its time: a delay, or the next attempt.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn make_due(&self) -> anyhow::Result<()> {
        let filter = jobs::Filter {
            states: vec![JobState::Scheduled],
            ..jobs::Filter::default()
        };
        Ok(self
            .database
            .run(async |connection| {
                for job in jobs::ids(connection, &filter).await? {
                    retry::retry(connection, job, None, &Actor::Operator, None).await?;
                }
                Ok(())
            })
            .await?)
    }

    /// From now on, a worker runs what is due.
    pub fn keep_running(&mut self) {
        let mut running = std::mem::take(&mut self.running);
        self.work(&mut running, &Stop::new());
        self.running = running;
    }

    /// Marks this moment: what is waited for with it are jobs of this task that end after it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn marker(&self, task: &str) -> anyhow::Result<Marker> {
        Marker::new(self.database.clone(), task).await
    }

    /// A client on a socket of a gateway of its own.
    ///
    /// # Errors
    /// When the gateway does not start.
    pub async fn client(&mut self) -> anyhow::Result<Client> {
        let address = match &self.address {
            Some(address) => address.clone(),
            None => self.serve().await?,
        };
        Client::connect(&address).await
    }

    async fn serve(&mut self) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let settings = gateway::Settings {
            max_frame: 65_536,
            hearing: Hearing::Hints,
            ping_every: Duration::from_secs(25),
            // A test's client answers only while the test waits for a message of its.
            ping_patience: KEEP,
            keep: Keep {
                notices: KEEP,
                tickets: KEEP,
                ..Keep::default()
            },
            grace: Duration::from_secs(1),
            access: Access {
                auth: Auth::None,
                hosts: Vec::new(),
                origins: Vec::new(),
            },
            tls: None,
            limits: Limits::default(),
        };
        let (database, tasks) = (self.database.clone(), self.tasks.clone());
        self.running.spawn(gateway::run(
            listener,
            database,
            tasks,
            settings,
            Stop::new(),
        ));
        self.address = Some(address.clone());
        Ok(address)
    }

    /// Has a worker, and what keeps the tables true, run in this set.
    fn work(&self, set: &mut JoinSet<anyhow::Result<()>>, stop: &Stop) {
        let settings = worker::Settings {
            concurrency: 16,
            grace: Duration::ZERO,
            queues: BTreeMap::new(),
            ..worker::Settings::default()
        };
        let database = &self.database;
        set.spawn(worker::run(
            database.clone(),
            self.tasks.clone(),
            settings,
            stop.clone(),
        ));
        set.spawn(sweeper::run(
            database.clone(),
            Keep::default(),
            stop.clone(),
        ));
    }
}

/// Looks again and again until there is something.
async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > give_up {
            bail!("{what} did not come within {PATIENCE:?}");
        }
        sleep(LOOK_EVERY).await;
    }
}
