//! The program, as processes that can be killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{PATIENCE, TestDatabase, eventually, eventually_within};

/// How long what a process has printed may still be on its way after its end.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// One running process of ours; killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Those who read what it prints.
    readers: [JoinHandle<()>; 2],
}

impl Program {
    /// A gateway, ready.
    pub(crate) async fn serve(database: &TestDatabase, arguments: &[&str]) -> Self {
        Self::serve_at(&database.url, arguments).await
    }

    /// The same at any database, such as one behind a proxy.
    pub(crate) async fn serve_at(url: &str, arguments: &[&str]) -> Self {
        let program = Self::start_at(
            url,
            &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(),
        );
        program.printed("serving").await;
        program
    }

    /// A worker without pretended work, ready.
    pub(crate) async fn worker(database: &TestDatabase, arguments: &[&str]) -> Self {
        Self::worker_at(&database.url, arguments).await
    }

    /// The same at any database.
    pub(crate) async fn worker_at(url: &str, arguments: &[&str]) -> Self {
        let program = Self::start_at(
            url,
            &[&["worker", "--delay-scale", "0"], arguments].concat(),
        );
        program.printed("working").await;
        program
    }

    /// A worker whose tasks misbehave, as `examples/unruly.rs` says, ready.
    pub(crate) async fn unruly(database: &TestDatabase) -> Self {
        Self::unruly_with_grace(database, 30).await
    }

    /// The same, which gives running jobs this many seconds when it is told to stop.
    pub(crate) async fn unruly_with_grace(database: &TestDatabase, grace: u32) -> Self {
        Self::unruly_as(database, "RINGBACK_SHUTDOWN_GRACE", &grace.to_string()).await
    }

    /// The same with a setting.
    pub(crate) async fn unruly_as(database: &TestDatabase, name: &str, value: &str) -> Self {
        let mut command = Command::new(example("unruly"));
        let program = Self::spawn(command.env("DATABASE_URL", &database.url).env(name, value));
        program.printed("working").await;
        eventually("its tasks should be known to the fleet", async || {
            database.count("ringback.task where name = 'hold'").await == 1
        })
        .await;
        program
    }

    /// Any verb, on this database.
    pub(crate) fn start(database: &TestDatabase, arguments: &[&str]) -> Self {
        Self::start_at(&database.url, arguments)
    }

    /// The same at any database.
    pub(crate) fn start_at(url: &str, arguments: &[&str]) -> Self {
        Self::spawn(
            Command::new(env!("CARGO_BIN_EXE_ringback"))
                .args(arguments)
                .env("DATABASE_URL", url)
                // A test's client answers pings only while the test waits for a message of its.
                .env("RINGBACK_PING_PATIENCE", "5m"),
        )
    }

    /// Any command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it should start");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            collect(child.stdout.take().unwrap(), &lines),
            collect(child.stderr.take().unwrap(), &lines),
        ];
        Self {
            child,
            lines,
            readers,
        }
    }

    /// Waits until it has printed a line with `text` in it, and gives that line.
    pub(crate) async fn printed(&self, text: &str) -> String {
        self.printed_one_of(&[text]).await
    }

    /// The same with one of several.
    pub(crate) async fn printed_one_of(&self, texts: &[&str]) -> String {
        let found = || {
            let lines = self.lines.lock().unwrap();
            let is_it = |line: &&String| texts.iter().any(|text| line.contains(text));
            lines.iter().find(is_it).cloned()
        };
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = found() {
                return line;
            }
            assert!(
                Instant::now() < give_up,
                "it never printed {texts:?}, but:\n{}",
                self.output()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everything it has printed.
    pub(crate) fn output(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The host and port it serves.
    pub(crate) fn address(&self) -> String {
        let output = self.output();
        let line = output
            .lines()
            .find(|line| line.contains(" address="))
            .expect("a gateway prints its address");
        line.rsplit_once("address=").unwrap().1.trim().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// How long it has been computing, where the system says so.
    pub(crate) fn computed(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        // After its name, which is in parentheses and may have anything in it: the state, ten others, and the time in
        // the program and in the kernel, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 10))
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        send(name, &self.pid().to_string());
    }

    /// Waits until it has ended by itself, and everything is read that it has printed.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.ended_within(PATIENCE).await
    }

    /// The same, for what takes its time.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        eventually_within(patience, "the process should end", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        // A server that it has started and left behind may still have its output.
        let give_up = Instant::now() + AFTERWARDS;
        while !self.readers.iter().all(JoinHandle::is_finished) && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        status.unwrap()
    }
}

/// Sends a signal to a process.
pub(crate) fn send(signal: &str, pid: &str) {
    let sent = Command::new("kill")
        .args(["-s", signal, "--"])
        .arg(pid)
        .status()
        .unwrap();
    assert!(sent.success());
}

fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

#[expect(
    clippy::print_stderr,
    reason = "what it printed explains the failure of a test"
)]
impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- process {} printed:\n{}", self.pid(), self.output());
        }
    }
}

/// The path of an example; `script/test` builds them.
pub(crate) fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_ringback"))
        .parent()
        .expect("a program is in a folder");
    folder.join("examples").join(name)
}
