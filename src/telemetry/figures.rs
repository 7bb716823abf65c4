//! What this process counts and measures, for Prometheus.
//!
//! There is one of each, as there is one logger: what is counted is the process's own, whichever part of it counts. What
//! the database knows better (how much waits in a queue) is asked when somebody reads the figures, and is not here.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::readings::exposed;

/// Those of this process.
pub static FIGURES: LazyLock<Figures> = LazyLock::new(Figures::new);

/// Where a time is counted to that is as short as that of a statement, in seconds.
const SHORT: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// The same for times that may be as long as those of a job.
const LONG: [f64; 14] = [
    0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
];

/// Where sizes of batches are counted to.
const SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// What a process counts and measures.
#[derive(Debug)]
pub struct Figures {
    registry: Registry,
    jobs: Family<TaskOutcome, Counter>,
    retries: Family<OfTask, Counter>,
    put_back: Family<OfTask, Counter>,
    wait: Family<OfQueue, Histogram>,
    run: Family<OfTask, Histogram>,
    batch: Family<OfPart, Histogram>,
    closes: Family<OfReason, Counter>,
    connects: Family<OfPart, Counter>,
    /// How long a claim takes, found or not.
    pub claim: Histogram,
    /// From the end of a job until its gateway has the outcome to write.
    pub delivery: Histogram,
    /// Outcomes that no hint told of.
    pub polled: Counter,
    hints: Counter,
    hints_failed: Counter,
    /// Jobs that run here.
    pub running: Gauge,
    /// Sockets that are open here.
    pub sockets: Gauge,
    /// What waits here for clients to read it.
    pub outbox: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTask {
    task: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TaskOutcome {
    task: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPart {
    part: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

impl Figures {
    /// In the order in which they are exposed.
    fn new() -> Self {
        let mut registry = Registry::with_prefix("ringback");
        let to = &mut registry;
        Self {
            jobs: registered(
                to,
                "jobs",
                "Jobs that have ended, by task and outcome (succeeded, failed or cancelled)",
                Family::default(),
            ),
            retries: registered(
                to,
                "retries",
                "Attempts that have failed and are followed by another",
                Family::default(),
            ),
            put_back: registered(
                to,
                "put_back",
                "Jobs that went back to their queue without having failed",
                Family::default(),
            ),
            wait: registered(
                to,
                "wait_seconds",
                "From when a job may start until it is claimed",
                Family::new_with_constructor(|| Histogram::new(LONG)),
            ),
            claim: registered(
                to,
                "claim_seconds",
                "How long the statement that claims jobs takes",
                Histogram::new(SHORT),
            ),
            run: registered(
                to,
                "run_seconds",
                "From the claim of a job until its attempt is over",
                Family::new_with_constructor(|| Histogram::new(LONG)),
            ),
            delivery: registered(
                to,
                "delivery_seconds",
                "From the end of a job until its gateway has the outcome to write",
                Histogram::new(SHORT),
            ),
            polled: registered(
                to,
                "polled_outcomes",
                "Outcomes that a gateway has found by itself, because no hint told of them",
                Counter::default(),
            ),
            batch: registered(
                to,
                "batch_jobs",
                "How many jobs one statement takes, by what it does",
                Family::new_with_constructor(|| Histogram::new(SIZES)),
            ),
            sockets: registered(to, "sockets", "Sockets that are open", Gauge::default()),
            outbox: registered(
                to,
                "outbox_bytes",
                "Bytes that wait for clients to read them",
                Gauge::default(),
            ),
            closes: registered(
                to,
                "closes",
                "Sockets that the gateway has closed, by the reason that it gave",
                Family::default(),
            ),
            running: registered(
                to,
                "running",
                "Jobs that run in this process",
                Gauge::default(),
            ),
            hints: registered(to, "hints", "Hints that were sent", Counter::default()),
            hints_failed: registered(
                to,
                "hints_failed",
                "Times that hints could not be sent, and the work went on without",
                Counter::default(),
            ),
            connects: registered(
                to,
                "connects",
                "Connections made to the database by the parts that keep one; more than one is a reconnect",
                Family::default(),
            ),
            registry,
        }
    }

    /// A job has ended: `succeeded`, `failed` or `cancelled`.
    pub fn ended(&self, task: &str, outcome: &'static str) {
        let task = task.to_owned();
        self.jobs
            .get_or_create(&TaskOutcome { task, outcome })
            .inc();
    }

    /// An attempt has failed and is followed by another.
    pub fn retried(&self, task: &str) {
        self.retries.get_or_create(&of_task(task)).inc();
    }

    /// A job went back to its queue, and nothing is held against it.
    pub fn went_back(&self, task: &str) {
        self.put_back.get_or_create(&of_task(task)).inc();
    }

    /// So long jobs of a queue could have started before they did.
    pub fn waited(&self, queue: &str, times: impl IntoIterator<Item = Duration>) {
        let queue = queue.to_owned();
        let histogram = self.wait.get_or_create(&OfQueue { queue });
        for time in times {
            histogram.observe(time.as_secs_f64());
        }
    }

    /// So long an attempt took.
    pub fn ran(&self, task: &str, time: Duration) {
        let histogram = self.run.get_or_create(&of_task(task));
        histogram.observe(time.as_secs_f64());
    }

    /// A statement did this to so many jobs.
    pub fn batch(&self, part: &'static str, jobs: usize) {
        let histogram = self.batch.get_or_create(&OfPart { part });
        histogram.observe(jobs as f64);
    }

    /// A socket was closed.
    pub fn closed(&self, reason: &'static str) {
        self.closes.get_or_create(&OfReason { reason }).inc();
    }

    /// A part has a new connection to the database.
    pub fn connected(&self, part: &'static str) {
        self.connects.get_or_create(&OfPart { part }).inc();
    }

    /// A statement has sent so many hints.
    pub fn hints(&self, sent: i64) {
        self.hints.inc_by(u64::try_from(sent).unwrap_or_default());
    }

    /// Hints could not be sent.
    pub fn lost_hints(&self) {
        self.hints_failed.inc();
    }

    /// All of them, in the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        exposed(&self.registry)
    }
}

fn of_task(task: &str) -> OfTask {
    let task = task.to_owned();
    OfTask { task }
}

fn registered<M: Metric + Clone>(to: &mut Registry, name: &str, help: &str, figure: M) -> M {
    to.register(name, help, figure.clone());
    figure
}
