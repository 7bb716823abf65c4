//! A real `PgBouncer` in front of a database.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use uuid::Uuid;

use super::eventually;
use super::system::{self, free_port, is_root};

/// Ended when it is dropped.
pub(crate) struct PgBouncer {
    child: Child,
    folder: PathBuf,
    /// The same database, through it.
    pub(crate) url: String,
    program: PathBuf,
}

impl PgBouncer {
    /// In front of the database at `url`.
    pub(crate) async fn start(program: &Path, url: &str, settings: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pgbouncer_{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        // postgres://USER:PASSWORD@HOST:PORT/NAME
        let (login, place) = url.rsplit_once('@').unwrap();
        let (user, password) = login.rsplit_once("//").unwrap().1.split_once(':').unwrap();
        let (server, name) = place.rsplit_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let ini = format!(
            "[databases]\n{name} = host={host} port={server_port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\n{settings}\n"
        );
        std::fs::write(folder.join("pgbouncer.ini"), ini).unwrap();
        let pooler = Self {
            child: run(program, &folder),
            folder,
            url: format!("postgres://{user}:{password}@127.0.0.1:{port}/{name}"),
            program: program.to_owned(),
        };
        pooler.listens().await;
        pooler
    }

    /// SIGKILL, and then started again.
    pub(crate) async fn dies_and_comes_back(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = run(&self.program, &self.folder);
        self.listens().await;
    }

    async fn listens(&self) {
        let place = self.url.rsplit_once('@').unwrap().1;
        let address = place.rsplit_once('/').unwrap().0;
        eventually("the pooler should listen", async || {
            std::net::TcpStream::connect(address).is_ok()
        })
        .await;
    }

    /// That of the system, of whatever version; it is not on every developer's machine.
    pub(crate) fn oldest() -> Option<PathBuf> {
        told(system::program("pgbouncer"), "pgbouncer is not installed")
    }

    /// One that keeps prepared statements (1.21 or newer): what `script/newer-pgbouncer` has found.
    pub(crate) fn newer() -> Option<PathBuf> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pgbouncer/pgbouncer");
        let found = program.exists().then_some(program);
        told(found, "script/newer-pgbouncer has found none")
    }
}

fn run(program: &Path, folder: &Path) -> Child {
    let mut command = Command::new(program);
    // It refuses to run as root, and any other user will do.
    if is_root() {
        command.args(["-u", "nobody"]);
    }
    command
        .arg("-q")
        .arg(folder.join("pgbouncer.ini"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests should know that one has tested nothing"
)]
fn told(found: Option<PathBuf>, why: &str) -> Option<PathBuf> {
    if found.is_none() {
        eprintln!("{why}: nothing is tested with it");
    }
    found
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
