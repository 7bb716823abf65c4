//! The program, as processes that can be killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Balancer, PATIENCE, TestDatabase, eventually, eventually_within, is_balanced};

/// What a gateway prints when it serves, beside where that is.
const SERVING: &str = "serving gateway.id";

/// How long what a process has printed may still be on its way after its end.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// So long a program of tests may take: only one that hangs does. Some take two minutes of a fast core.
const CHECKED: Duration = Duration::from_secs(900);

/// One running process of ours; killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// Those who read what it prints.
    readers: [JoinHandle<()>; 2],
    front: Option<Box<Front>>,
}

/// What is between a gateway and its clients: a balancer, with two more gateways that share its fate.
struct Front {
    balancer: Balancer,
    others: Vec<Program>,
}

impl Program {
    /// A gateway, ready.
    pub(crate) async fn serve(database: &TestDatabase, arguments: &[&str]) -> Self {
        Self::serve_at(&database.url, arguments).await
    }

    /// The same at any database, such as one behind a proxy.
    pub(crate) async fn serve_at(url: &str, arguments: &[&str]) -> Self {
        if is_balanced() {
            return Self::balanced(url, arguments).await;
        }
        let program = Self::start_at(
            url,
            &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(),
        );
        program.printed(SERVING).await;
        program
    }

    async fn balanced(url: &str, arguments: &[&str]) -> Self {
        let balancer = Balancer::new(3).await;
        let mut first = balancer.gateway(0, url, arguments).await;
        let mut others = Vec::new();
        for which in 1..3 {
            others.push(balancer.gateway(which, url, arguments).await);
        }
        balancer.ready(3).await;
        first.front = Some(Box::new(Front { balancer, others }));
        first
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
            front: None,
        }
    }

    /// Waits until it has printed a line with `text` in it, and gives that line.
    pub(crate) async fn printed(&self, text: &str) -> String {
        self.printed_one_of(&[text]).await
    }

    /// Where its figures are, which it serves at an address of their own.
    pub(crate) async fn figures_address(&self) -> String {
        let said = self.printed("serving figures").await;
        said.split("address=").nth(1).unwrap().trim().to_owned()
    }

    /// Waits for a line with one of several texts.
    pub(crate) async fn printed_one_of(&self, texts: &[&str]) -> String {
        let found = || {
            let output = self.output();
            let is_it = |line: &&str| texts.iter().any(|text| line.contains(text));
            output.lines().find(is_it).map(str::to_owned)
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
        let others = self.front.iter().flat_map(|front| &front.others);
        let mut output = self.lines.lock().unwrap().join("\n");
        for other in others {
            output = format!("{output}\n{}", other.output());
        }
        output
    }

    /// The host and port it serves.
    pub(crate) fn address(&self) -> String {
        if let Some(front) = &self.front {
            return front.balancer.address.clone();
        }
        let output = self.output();
        let line = output
            .lines()
            .find(|line| line.contains(SERVING))
            .expect("a gateway prints its address");
        line.rsplit_once("address=").unwrap().1.trim().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none() && self.others().all(Self::runs)
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
        self.others().for_each(Self::kill);
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        send(name, &self.pid().to_string());
        let others = self.front.iter().flat_map(|front| &front.others);
        others.for_each(|other| other.signal(name));
    }

    fn others(&mut self) -> impl Iterator<Item = &mut Self> {
        self.front.iter_mut().flat_map(|front| &mut front.others)
    }

    /// Waits for other people's program that checks or tests something, and fails with what it printed where that failed.
    pub(crate) async fn passes(&mut self) {
        let ended = self.ended_within(CHECKED).await;
        assert!(ended.success(), "{}", self.output());
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
        for other in self.others() {
            let ended = Box::pin(other.ended_within(patience)).await;
            // The first that did not end well speaks for all.
            if status.is_some_and(|status| status.success()) {
                status = Some(ended);
            }
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
