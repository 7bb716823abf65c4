//! A real `PgBouncer` in front.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::Report;
use crate::support::{TestDatabase, eventually};

/// Ended when it is dropped.
struct PgBouncer {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl PgBouncer {
    async fn start(program: &Path, database: &TestDatabase, settings: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pgbouncer_{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // postgres://USER:PASSWORD@HOST:PORT/NAME
        let (login, place) = database.url.rsplit_once('@').unwrap();
        let (user, password) = login.rsplit_once("//").unwrap().1.split_once(':').unwrap();
        let (server, name) = place.rsplit_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let ini = format!(
            "[databases]\n{name} = host={host} port={server_port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\n{settings}\n"
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, ini).unwrap();
        let mut command = Command::new(program);
        // It refuses to run as root, and any other user will do.
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout == b"0\n" {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg("-q")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("postgres://{user}:{password}@127.0.0.1:{port}/{name}");
        let pooler = Self { child, folder, url };
        eventually("the pooler should listen", async || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        pooler
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where it is; it is not on every developer's machine.
#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests should know that one has tested nothing"
)]
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.exists());
    if found.is_none() {
        eprintln!("pgbouncer is not installed: nothing is tested with it");
    }
    found
}

const IGNORING: &str = "ignore_startup_parameters = extra_float_digits, options";

#[tokio::test]
async fn a_pooler_that_shares_server_processes_is_found_and_looked_through() {
    let Some(program) = program() else { return };
    let database = TestDatabase::new().await;
    // One that refuses what it does not know, as it comes.
    let pooler = PgBouncer::start(&program, &database, "pool_mode = transaction").await;
    let report = Report::at(&pooler.url, &[]).await;
    let all = report.all("pooler");
    assert!(
        all.iter().any(|(status, found, _)| *status == "problem"
            && found.starts_with("a pooler refuses the connections of the program: ")),
        "{all:?}"
    );
    drop(pooler);

    let settings = format!("pool_mode = transaction\n{IGNORING}");
    let pooler = PgBouncer::start(&program, &database, &settings).await;
    // Others have prepared something of the same name on the server's side.
    let pool = PgPoolOptions::new().connect(&pooler.url).await.unwrap();
    pool.fetch_one("select 1").await.unwrap();
    for _ in 0..2 {
        let report = Report::at(&pooler.url, &[]).await;
        let all = report.all("pooler");
        let statuses: Vec<&str> = all.iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, ["warning", "problem"], "{all:?}");
        assert!(
            all[0].1.contains("leaves out what the program asks for"),
            "{all:?}"
        );
        assert!(all[1].1.contains("no hint is heard"), "{all:?}");
        // Everything else is seen all the same.
        for check in [
            "server",
            "schema",
            "privileges",
            "partitions",
            "queues",
            "due",
        ] {
            report.is_ok(check);
        }
    }
    let report = Report::at(&pooler.url, &["--poll-only"]).await;
    let all = report.all("pooler");
    assert!(
        all.iter().all(|(status, ..)| *status == "warning"),
        "{all:?}"
    );
    pool.close().await;
}

#[tokio::test]
async fn a_pooler_that_keeps_server_processes_lets_hints_through() {
    let Some(program) = program() else { return };
    let database = TestDatabase::new().await;
    let settings = format!("pool_mode = session\n{IGNORING}");
    let pooler = PgBouncer::start(&program, &database, &settings).await;
    let report = Report::at(&pooler.url, &[]).await;
    let (status, found, _) = report.one("pooler");
    assert_eq!(status, "warning");
    assert!(
        found.contains("leaves out what the program asks for"),
        "{found}"
    );
    // As the advice has it: the settings belong to the login, here of this database alone.
    let name = pooler.url.rsplit_once('/').unwrap().1;
    database
        .execute(&format!(
            "alter database {name} set plan_cache_mode = force_generic_plan"
        ))
        .await;
    drop(pooler);
    let pooler = PgBouncer::start(&program, &database, &settings).await;
    let report = Report::at(&pooler.url, &[]).await;
    report.is_ok("pooler");
    assert!(
        report.one("pooler").1.contains("a hint takes"),
        "{report:?}"
    );
}
