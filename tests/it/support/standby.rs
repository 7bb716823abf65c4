//! A second server that follows the first by streaming replication, and may take its place.

use std::path::PathBuf;
use std::process::Command;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::system::{free_port, is_root};
use super::{TestDatabase, eventually};

/// Ended when it is dropped.
pub(crate) struct Standby {
    /// The same database, on this server.
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    folder: PathBuf,
    programs: PathBuf,
}

impl Standby {
    /// Of a database on a server of its own, which from now on answers no commit that this one does not have.
    pub(crate) async fn synchronous(database: &TestDatabase) -> Self {
        let standby = Self::of(database).await;
        for setting in [
            "alter system set synchronous_standby_names = '*'",
            "select pg_reload_conf()",
        ] {
            database.execute(setting).await;
        }
        eventually("it should be waited for", async || {
            let synchronous = "pg_stat_replication where sync_state = 'sync'";
            database.count(synchronous).await == 1
        })
        .await;
        standby
    }

    /// Of a database on a server of its own.
    pub(crate) async fn of(database: &TestDatabase) -> Self {
        let programs: String =
            sqlx::query_scalar("select setting from pg_config where name = 'BINDIR'")
                .fetch_one(&database.pool)
                .await
                .unwrap();
        let folder = std::env::temp_dir().join(format!("standby_{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(owned.unwrap().success());
        }
        let port = free_port();
        let (login, place) = database.url.rsplit_once('@').unwrap();
        let name = place.rsplit_once('/').unwrap().1;
        let url = format!("{login}@127.0.0.1:{port}/{name}");
        let standby = Self {
            pool: PgPoolOptions::new()
                .max_connections(2)
                .connect_lazy(&url)
                .unwrap(),
            url,
            folder,
            programs: programs.into(),
        };
        let data = standby.data();
        standby.run(
            "pg_basebackup",
            &["--dbname", &database.url, "--pgdata", &data],
            &[
                "--wal-method=stream",
                "--write-recovery-conf",
                "--checkpoint=fast",
            ],
        );
        // It has to have room for as much as the first.
        let options = format!("-p {port} -c max_connections=200 -c unix_socket_directories=''");
        let log = standby.folder.join("log").display().to_string();
        standby.run(
            "pg_ctl",
            &["--pgdata", &data, "--log", &log, "--options", &options],
            &["--wait", "start"],
        );
        eventually("it should follow", async || {
            let streaming = "pg_stat_replication where state = 'streaming'";
            database.count(streaming).await == 1
        })
        .await;
        standby
    }

    /// From now on it takes what is written.
    pub(crate) async fn promote(&self) {
        self.pool.execute("select pg_promote()").await.unwrap();
    }

    pub(crate) async fn count(&self, of: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {of}")))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Ends it at once.
    pub(crate) fn end(&self) {
        self.run(
            "pg_ctl",
            &["--pgdata", &self.data()],
            &["--mode=immediate", "stop"],
        );
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str], more: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        let ran = command
            .args(arguments)
            .args(more)
            // What a server inherits would keep whoever waits for its end.
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(ran.unwrap().success(), "{command:?}:\n{log}");
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if std::fs::exists(self.folder.join("data/postmaster.pid")).unwrap_or_default() {
            self.end();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
