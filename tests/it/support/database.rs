//! A database of its own for each test, on a server that all share, or on one of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use ringback::postgres::Database;
use ringback::postgres::private::{self, Cluster, Durability};
use ringback::postgres::throwaway::Throwaway;
use ringback::shutdown::Stop;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::program::send;
use super::{Disk, eventually, eventually_within, is_balanced};

pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// As anybody with psql: without the settings of the program's own connections.
    pub(crate) pool: PgPool,
    /// On the server that all tests share.
    _throwaway: Option<Throwaway>,
    own: Option<Own>,
}

/// The processes of a server that is frozen for as long as this is there, whatever becomes of the test.
pub(crate) struct Frozen(Vec<String>);

/// A server that nobody else uses.
struct Own {
    cluster: Option<Cluster>,
    folder: PathBuf,
    /// What all of it is on, if that is not the disk of everybody.
    disk: Option<Disk>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        if is_balanced() {
            return Self::for_many_processes().await;
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres");
        let throwaway = Throwaway::create_in(&folder).await;
        let throwaway = throwaway.expect("a throwaway Postgres should start");
        let url = throwaway.url.clone();
        Self {
            pool: pool(&url),
            url,
            _throwaway: Some(throwaway),
            own: None,
        }
    }

    /// On a server of its own, which has connections enough for a fleet, and must not be stopped.
    pub(crate) async fn for_many_processes() -> Self {
        Self::on_its_own_server_at(own_folder(), None, Durability::Off).await
    }

    /// On a server of its own, which the test may stop; it keeps what is committed.
    pub(crate) async fn on_its_own_server() -> Self {
        Self::on_its_own_server_at(own_folder(), None, Durability::Full).await
    }

    /// The same on a disk of its own, of so many megabytes, where this system lets us have one.
    pub(crate) async fn on_its_own_disk(megabytes: u32) -> Option<Self> {
        let folder = own_folder();
        let disk = Disk::at(&folder, megabytes)?;
        Some(Self::on_its_own_server_at(folder, Some(disk), Durability::Full).await)
    }

    async fn on_its_own_server_at(
        folder: PathBuf,
        disk: Option<Disk>,
        durability: Durability,
    ) -> Self {
        let cluster = start(&folder, durability).await;
        let url = cluster.url().to_owned();
        let database = Self {
            pool: pool(&url),
            url,
            _throwaway: None,
            own: Some(Own {
                cluster: Some(cluster),
                folder,
                disk,
            }),
        };
        database.database().migrate().await.unwrap();
        database
    }

    /// The disk of its own.
    pub(crate) fn disk(&self) -> &Disk {
        let own = self.own.as_ref().expect("a server of its own");
        own.disk.as_ref().expect("a disk of its own")
    }

    /// Sends a signal to the server of its own, and waits until it has ended: `INT` stops it, `KILL` is a crash.
    pub(crate) async fn end_server(&self, signal: &str) {
        assert!(self.own.is_some(), "only on a server of its own");
        let pid = postmaster(&self.pool).await;
        send(signal, &pid);
        // What it has in memory goes to its disk first, which may be busy.
        let patience = Duration::from_secs(120);
        eventually_within(patience, "the server should end", async || !lives(&pid)).await;
    }

    /// Freezes every process of the server of its own, until that is dropped.
    pub(crate) async fn freeze_server(&self) -> Frozen {
        assert!(self.own.is_some(), "only on a server of its own");
        let pid = postmaster(&self.pool).await;
        send("STOP", &pid);
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let mut frozen = vec![pid];
        for child in children.lines() {
            send("STOP", child);
            frozen.push(child.to_owned());
        }
        Frozen(frozen)
    }

    /// Starts the server of its own again, on the same port.
    pub(crate) async fn start_server(&mut self) {
        let own = self.own.as_mut().expect("a server of its own");
        let cluster = start(&own.folder, Durability::Full).await;
        assert_eq!(cluster.url(), self.url, "it should have kept its port");
        // The new seat is taken before the old one is given back.
        own.cluster = Some(cluster);
    }

    /// Stops the server of its own, and starts it again as its settings say by now.
    pub(crate) async fn restart_server(&mut self) {
        self.end_server("INT").await;
        self.start_server().await;
        // Connections that the end has cut are found out when they are used.
        eventually("the server should answer", async || {
            self.pool.execute("select 1").await.is_ok()
        })
        .await;
    }

    /// The database as the program sees it.
    pub(crate) fn database(&self) -> Database {
        Database::new(&self.url).unwrap()
    }

    pub(crate) async fn count(&self, from_where: &str) -> i64 {
        let query = format!("select count(*) from {from_where}");
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Waits until everything that clients have acknowledged is known to be, which their gateways gather for a moment.
    pub(crate) async fn mailboxes_are_empty(&self) {
        eventually("what was acknowledged should be forgotten", async || {
            self.count("ringback.mailbox").await == 0
        })
        .await;
    }

    /// Of a column of all live jobs.
    pub(crate) async fn sum(&self, column: &str) -> i64 {
        let query = format!("select coalesce(sum({column}), 0) from ringback.job");
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// A job for each second of the last day, all of them over.
    pub(crate) async fn fill_history(&self) {
        self.execute(
            "insert into ringback.job_history (id, task, task_type, queue, input, state, result, priority, run_at,
                 created_at, attempt, failures, crashes, max_attempts, started_at, finished_at, owner)
             select overlay(gen_random_uuid()::text placing left(ringback.uuid_floor(at)::text, 13) from 1 for 13)::uuid,
                 'a', 'a', 'default', '\"x\"', 'succeeded', '\"y\"', 0, at, at, 1, 0, 0, 5, at, at, 'anonymous'
             from generate_series(now() - interval '1 day', now(), interval '1 second') as at",
        )
        .await;
    }

    /// A task that works on anything, and that nobody has.
    pub(crate) async fn knows(&self, task: &str) {
        self.execute(&format!(
            "insert into ringback.task (name, queue, max_attempts) values ('{task}', 'default', 5)"
        ))
        .await;
    }

    pub(crate) async fn execute(&self, statement: &str) {
        self.pool
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
    }
}

fn own_folder() -> PathBuf {
    let name = format!("own_{}", Uuid::new_v4().simple());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The process of the server that answers here.
pub(crate) async fn postmaster(pool: &PgPool) -> String {
    // Asked again where the connection was cut by an earlier fault.
    let mut data: Option<String> = None;
    eventually("the server should answer", async || {
        let asked = sqlx::query_scalar("show data_directory");
        data = asked.fetch_one(pool).await.ok();
        data.is_some()
    })
    .await;
    let data = data.expect("it was waited for");
    let file = std::fs::read_to_string(PathBuf::from(data).join("postmaster.pid")).unwrap();
    file.lines().next().unwrap().to_owned()
}

async fn start(folder: &Path, durability: Durability) -> Cluster {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || private::ensure(&folder, durability, &Stop::new()))
        .await
        .unwrap()
        .expect("a server of its own should start")
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
pub(crate) fn lives(pid: &str) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&state.stdout);
    !matches!(state.trim().chars().next(), None | Some('Z'))
}

fn pool(url: &str) -> PgPool {
    let options = PgConnectOptions::from_str(url).unwrap();
    PgPoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options)
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // The postmaster last: until then, those of its children that have ended are still there to be told.
        for pid in self.0.iter().rev() {
            send("CONT", pid);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // A server cannot stop properly without room.
        self.disk.iter().for_each(Disk::make_room);
        let _ = self.cluster.take().map(Cluster::leave);
        let _ = private::discard(&self.folder);
    }
}
