//! A database of its own for each test, copied from a migrated template on a throwaway cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use ringback::postgres::Database;
use ringback::postgres::private::{self, Cluster, Durability};
use ringback::shutdown::Stop;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

use super::eventually;
use super::program::send;

/// Makes the template once, whoever comes first.
const TEMPLATE_LOCK: &str = "select pg_advisory_lock(7114)";
const TEMPLATE_UNLOCK: &str = "select pg_advisory_unlock(7114)";

pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// As anybody with psql: without the settings of the program's own connections.
    pub(crate) pool: PgPool,
    name: String,
    admin: PgConnectOptions,
    cluster: Option<Cluster>,
    /// Of a cluster that nobody else uses.
    own_folder: Option<PathBuf>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let cluster = tokio::task::spawn_blocking(|| {
            private::ensure(&folder(), Durability::Off, &Stop::new())
        })
        .await
        .unwrap();
        let cluster = cluster.expect("a throwaway Postgres should start");
        let options = PgConnectOptions::from_str(cluster.url()).unwrap();
        let admin = options.clone().database("postgres");
        let name = format!("test_{}", Uuid::new_v4().simple());

        let mut connection = admin.connect().await.unwrap();
        connection.execute(TEMPLATE_LOCK).await.unwrap();
        let template = ensure_template(&mut connection, cluster.url()).await;
        copy(&mut connection, &name, &template).await;
        connection.execute(TEMPLATE_UNLOCK).await.unwrap();
        connection.close().await.unwrap();

        let url = cluster
            .url()
            .rsplit_once('/')
            .map(|(server, _)| format!("{server}/{name}"))
            .unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.database(&name));
        Self {
            url,
            pool,
            name,
            admin,
            cluster: Some(cluster),
            own_folder: None,
        }
    }

    /// On a server of its own, which the test may stop; it keeps what is committed.
    pub(crate) async fn on_its_own_server() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("own_{}", Uuid::new_v4().simple()));
        let cluster = start(&folder).await;
        let url = cluster.url().to_owned();
        let options = PgConnectOptions::from_str(&url).unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.clone());
        let database = Self {
            name: options.get_database().unwrap().to_owned(),
            admin: options.database("postgres"),
            url,
            pool,
            cluster: Some(cluster),
            own_folder: Some(folder),
        };
        database.database().migrate().await.unwrap();
        database
    }

    /// Sends a signal to the server of its own, and waits until it has ended: `INT` stops it, `KILL` is a crash.
    pub(crate) async fn end_server(&self, signal: &str) {
        assert!(self.own_folder.is_some(), "only on a server of its own");
        let pid = postmaster(&self.pool).await;
        send(signal, &pid);
        eventually("the server should end", async || !lives(&pid)).await;
    }

    /// Freezes every process of the server of its own; gives what `thaw_server` takes.
    pub(crate) async fn freeze_server(&self) -> Vec<String> {
        assert!(self.own_folder.is_some(), "only on a server of its own");
        let pid = postmaster(&self.pool).await;
        send("STOP", &pid);
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let mut frozen = vec![pid];
        for child in children.lines() {
            send("STOP", child);
            frozen.push(child.to_owned());
        }
        frozen
    }

    pub(crate) fn thaw_server(frozen: &[String]) {
        // The postmaster last: until then, those of its children that have ended are still there to be told.
        for pid in frozen.iter().rev() {
            send("CONT", pid);
        }
    }

    /// Starts the server of its own again, on the same port.
    pub(crate) async fn start_server(&mut self) {
        let folder = self.own_folder.clone().expect("a server of its own");
        let cluster = start(&folder).await;
        assert_eq!(cluster.url(), self.url, "it should have kept its port");
        // The new seat is taken before the old one is given back.
        self.cluster = Some(cluster);
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

async fn start(folder: &Path) -> Cluster {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || private::ensure(&folder, Durability::Full, &Stop::new()))
        .await
        .unwrap()
        .expect("a server of its own should start")
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
fn lives(pid: &str) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&state.stdout);
    !matches!(state.trim().chars().next(), None | Some('Z'))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres")
}

/// The name of the template for the migrations as they are now.
async fn ensure_template(connection: &mut PgConnection, url: &str) -> String {
    let migrations = sqlx::migrate!();
    let checksums: Vec<u8> = migrations
        .iter()
        .flat_map(|migration| migration.checksum.to_vec())
        .collect();
    let name = format!(
        "template_{}",
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &checksums).simple()
    );
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&name)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    if !there {
        // Under another name until it is whole.
        let making = format!("making_{}", Uuid::new_v4().simple());
        copy(connection, &making, "template1").await;
        let url = url
            .rsplit_once('/')
            .map(|(server, _)| format!("{server}/{making}"))
            .unwrap();
        let database = Database::new(&url).unwrap();
        database.migrate().await.unwrap();
        database.close().await;
        connection
            .execute(AssertSqlSafe(format!(
                "alter database {making} rename to {name}"
            )))
            .await
            .unwrap();
    }
    name
}

async fn copy(connection: &mut PgConnection, name: &str, template: &str) {
    let statement = format!("create database {name} template {template} strategy file_copy");
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        let admin = self.admin.clone();
        let cluster = self.cluster.take();
        let own_folder = self.own_folder.take();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                // Of no use to a test that has stopped the server itself.
                if let Ok(mut connection) = admin.connect().await {
                    let _ = connection.execute(AssertSqlSafe(statement)).await;
                }
            });
            drop(cluster);
            if let Some(folder) = own_folder {
                let _ = private::discard(&folder);
            }
        });
        let _ = cleaning.join();
    }
}
