//! Two hundred jobs are acknowledged, something dies under them, and all two hundred results come.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::sessions::{Secret, id};
use crate::support::{Client, Message, Program, TestDatabase, eventually};

const JOBS: usize = 200;

/// How many results have come when the fault does.
const BEFORE: usize = 20;

/// Longer than a lost worker's jobs wait, and what they do then.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a client knows of its jobs.
#[derive(Default)]
struct Count {
    /// By job: when it was acknowledged.
    acknowledged: HashMap<String, Instant>,
    /// Jobs whose result was shown, and how long after the acknowledgement.
    results: HashMap<String, Duration>,
    shown: HashSet<String>,
    twice: usize,
    secret: Option<Secret>,
}

impl Count {
    fn lost(&self) -> usize {
        let jobs = self.acknowledged.keys();
        jobs.filter(|job| !self.results.contains_key(*job)).count()
    }

    /// Submits all, and reads every answer.
    async fn submit(&mut self, client: &mut Client) {
        self.secret = Some(client.begin().await);
        for number in 0..JOBS {
            client.ask("default", &number.to_string()).await;
        }
        while self.acknowledged.len() < JOBS {
            let message = client.next().await;
            self.hear(client, &message).await;
        }
    }

    /// Reads until so many results were shown.
    async fn read(&mut self, client: &mut Client, results: usize) {
        while self.results.len() < results {
            let message = client.next_within(PATIENCE).await;
            self.hear(client, &message).await;
        }
    }

    /// Notes a message; what is shown is acknowledged, and what was shown is not shown again.
    async fn hear(&mut self, client: &mut Client, message: &Message) {
        let job = message.job_id();
        if message.action() == "job_queued" {
            self.acknowledged.insert(job, Instant::now());
            return;
        }
        assert_eq!(message.action(), "job_result", "{message:?}");
        let id = id(message);
        client
            .send(json!({"action": "ack", "payload": {"ids": [id]}}))
            .await;
        if self.shown.insert(id) {
            let waited = self.acknowledged[&job].elapsed();
            self.twice += usize::from(self.results.insert(job, waited).is_some());
        }
    }

    #[expect(clippy::print_stdout, reason = "the figure is what it is for")]
    fn check(&self, fault: &str) {
        let longest = self.results.values().max().copied().unwrap_or_default();
        let (acknowledged, results) = (self.acknowledged.len(), self.results.len());
        let (lost, twice) = (self.lost(), self.twice);
        println!(
            "{fault}: {acknowledged} acknowledged, {results} results, {lost} lost, {twice} shown twice, longest wait {:.1} s",
            longest.as_secs_f64()
        );
        assert_eq!((acknowledged, results, lost, twice), (JOBS, JOBS, 0, 0));
    }
}

/// A worker that has fifty jobs under way at a time, each for half a second.
async fn worker(database: &TestDatabase) -> Program {
    let arguments = ["worker", "--delay-scale", "0.5", "--concurrency", "50"];
    let worker = Program::start(database, &arguments);
    worker.printed("working").await;
    worker
}

/// Submits everything, and waits until some of it is over, and most of it is not.
async fn under_way(database: &TestDatabase, client: &mut Client) -> Count {
    let mut count = Count::default();
    count.submit(client).await;
    count.read(client, BEFORE).await;
    assert!(database.count("ringback.job").await >= 50);
    assert!(database.count("ringback.job where state = 'running'").await > 0);
    count
}

#[tokio::test]
async fn of_two_hundred_jobs_none_is_lost_with_the_worker() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut first = worker(&database).await;
    let mut client = Client::connect(&gateway).await;
    let mut count = under_way(&database, &mut client).await;
    first.kill();
    let _second = worker(&database).await;
    count.read(&mut client, JOBS).await;
    client.expect_silence().await;
    count.check("worker killed");
}

#[tokio::test]
async fn of_two_hundred_jobs_none_is_lost_with_the_gateway() {
    let database = TestDatabase::new().await;
    let mut first = Program::serve(&database, &[]).await;
    let _worker = worker(&database).await;
    let mut client = Client::connect(&first).await;
    let mut count = under_way(&database, &mut client).await;
    first.kill();
    let second = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&second).await;
    let secret = count.secret.clone().unwrap();
    client.recover(&secret).await;
    count.read(&mut client, JOBS).await;
    // What had been shown before, and was not known to be, may come again.
    eventually("everything should be acknowledged", async || {
        let next = client.next_within(PATIENCE);
        if let Ok(message) = tokio::time::timeout(Duration::from_millis(100), next).await {
            count.hear(&mut client, &message).await;
        }
        database.count("ringback.mailbox").await == 0
    })
    .await;
    client.expect_silence().await;
    count.check("gateway killed");
}

#[tokio::test]
async fn of_two_hundred_jobs_none_is_lost_with_postgres() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = worker(&database).await;
    let mut client = Client::connect(&gateway).await;
    let mut count = under_way(&database, &mut client).await;
    database.end_server("KILL").await;
    database.start_server().await;
    count.read(&mut client, JOBS).await;
    client.expect_silence().await;
    count.check("Postgres killed");
}
