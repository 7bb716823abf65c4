//! Databases that are thrown away: one for each test, copied from one that is migrated once, on a private Postgres that
//! all tests of this user share and that stops with the last of them.
//!
//! Whoever is done with one only closes it, and the next to come deletes it. Postgres deletes no database while a client
//! of the server is just signing in, which it may take a minute for. A test that drops its database holds up the runtime
//! it is in, and with it any such client there: each would wait for the other, and every other test for both.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

use super::Database;
use super::private::{self, Cluster, Durability};
use super::schema::migrations;
use crate::shutdown::Stop;

/// Makes the template once, whoever comes first.
const TEMPLATE_LOCK: i64 = 7_114;

/// Deletes what is closed, one at a time.
const SWEEP_LOCK: i64 = 7_115;

/// For how long that is tried: somebody may be signing in slowly, and who comes after us tries again.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// A database that lets nobody in any more when this is dropped, and that the next one to be made deletes.
#[derive(Debug)]
pub struct Throwaway {
    /// Where it is.
    pub url: String,
    name: String,
    admin: PgConnectOptions,
    cluster: Option<Cluster>,
}

impl Throwaway {
    /// One on the Postgres that all tests of this user share.
    ///
    /// # Errors
    /// When no Postgres can be started; the message says what was tried.
    pub async fn create() -> anyhow::Result<Self> {
        let user = std::env::var("USER").unwrap_or_default();
        let name = format!("ringback-testing-{user}");
        Self::create_in(&std::env::temp_dir().join(name)).await
    }

    /// One on the Postgres in this folder, which is made if it is missing.
    ///
    /// # Errors
    /// The same.
    pub async fn create_in(folder: &Path) -> anyhow::Result<Self> {
        let cluster = start(folder.to_owned()).await?;
        let options = PgConnectOptions::from_str(cluster.url())?;
        let admin = options.database("postgres");
        // What it could not delete is left to who comes next.
        let _ = sweep(&admin).await;
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = admin
            .connect()
            .await
            .context("could not reach the Postgres of the tests")?;
        sqlx::query("select pg_advisory_lock($1)")
            .bind(TEMPLATE_LOCK)
            .execute(&mut connection)
            .await?;
        let template = template(&mut connection, cluster.url()).await?;
        copy(&mut connection, &name, &template).await?;
        // Which gives the lock back.
        connection.close().await?;
        Ok(Self {
            url: beside(cluster.url(), &name),
            name,
            admin,
            cluster: Some(cluster),
        })
    }
}

async fn start(folder: PathBuf) -> anyhow::Result<Cluster> {
    let start = move || private::ensure(&folder, Durability::Off, &Stop::new());
    tokio::task::spawn_blocking(start)
        .await
        .context("starting the Postgres of the tests has panicked")?
}

/// The name of the template for the migrations as they are now.
async fn template(connection: &mut PgConnection, url: &str) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    for migration in migrations().iter() {
        digest.update(&migration.checksum);
    }
    let digest: String = digest.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("template_{digest}");
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&name)
            .fetch_one(&mut *connection)
            .await?;
    if !there {
        // Under another name until it is whole.
        let making = format!("making_{}", Uuid::new_v4().simple());
        copy(connection, &making, "template1").await?;
        let database = Database::new(&beside(url, &making))?;
        database.migrate().await?;
        database.close().await;
        let rename = format!("alter database {making} rename to {name}");
        connection.execute(AssertSqlSafe(rename)).await?;
    }
    Ok(name)
}

async fn copy(connection: &mut PgConnection, name: &str, template: &str) -> anyhow::Result<()> {
    let create = format!("create database {name} template {template} strategy file_copy");
    let created = connection.execute(AssertSqlSafe(create)).await;
    created.with_context(|| format!("could not make a database from {template}"))?;
    Ok(())
}

/// Deletes what others have closed, unless somebody is at it.
async fn sweep(admin: &PgConnectOptions) -> sqlx::Result<()> {
    let began = Instant::now();
    let limit = format!("{}ms", SWEEP_LIMIT.as_millis());
    let admin = admin.clone().options([("statement_timeout", limit)]);
    let mut connection = admin.connect().await?;
    let is_ours: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
        .bind(SWEEP_LOCK)
        .fetch_one(&mut connection)
        .await?;
    if !is_ours {
        return connection.close().await;
    }
    let closed =
        "select datname from pg_database where starts_with(datname, 'test_') and not datallowconn";
    let closed: Vec<String> = sqlx::query_scalar(closed)
        .fetch_all(&mut connection)
        .await?;
    for name in closed {
        if began.elapsed() > SWEEP_LIMIT {
            break;
        }
        let drop_it = format!("drop database if exists {name} with (force)");
        // One that cannot be deleted keeps none of the others.
        let _ = connection.execute(AssertSqlSafe(drop_it)).await;
    }
    connection.close().await
}

/// Lets nobody into this database any more, and sends away who is there.
async fn close(admin: &PgConnectOptions, name: &str) -> sqlx::Result<()> {
    let mut connection = admin.connect().await?;
    let close_it = format!("alter database {name} allow_connections false");
    connection.execute(AssertSqlSafe(close_it)).await?;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
        .bind(name)
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Where a database is that is beside the one at `url`.
fn beside(url: &str, name: &str) -> String {
    let server = url.rsplit_once('/').map_or(url, |(server, _)| server);
    format!("{server}/{name}")
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), std::mem::take(&mut self.name));
        let cluster = self.cluster.take();
        // On a thread of its own, since whoever drops this may be within a runtime.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                // Of no use where the server has been stopped.
                let _ = runtime.block_on(close(&admin, &name));
            }
            drop(cluster);
        });
        let _ = cleaning.join();
    }
}
