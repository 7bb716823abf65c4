//! What dies, hangs or goes away, and that nothing is lost by it.

mod attempts;
mod connections;
mod gateways;
mod outages;
mod workers;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::support::{Client, Message, Program, TestDatabase, eventually};

/// Longer than an outage and what follows it.
const OUTAGE_AND_MORE: Duration = Duration::from_secs(90);

/// What one client has asked for and heard. Answers may come in any order.
#[derive(Default)]
pub(crate) struct Story {
    asked: usize,
    /// By job id.
    queued: HashSet<String>,
    /// Their `maybe`.
    pub(crate) refused: Vec<bool>,
    /// By job id: each once.
    pub(crate) finished: HashMap<String, String>,
}

impl Story {
    pub(crate) async fn ask(&mut self, client: &mut Client, task_type: &str, content: &str) {
        self.asked += 1;
        client.ask(task_type, content).await;
    }

    fn hear(&mut self, message: &Message) {
        match message.action() {
            "job_queued" => assert!(self.queued.insert(message.job_id()), "{message:?}"),
            "error" => {
                let error = &message.0["payload"][0];
                assert_eq!(error["type"], "unavailable", "{message:?}");
                self.refused.push(error["maybe"] == true);
            }
            "job_result" => {
                let job = message.job_id();
                assert!(self.queued.contains(&job), "before its answer: {message:?}");
                let before = self.finished.insert(job, message.text().to_owned());
                assert_eq!(before, None, "twice: {message:?}");
            }
            _ => panic!("unexpected: {message:?}"),
        }
    }

    /// Waits until everything is answered.
    pub(crate) async fn answers(&mut self, client: &mut Client) {
        while self.queued.len() + self.refused.len() < self.asked {
            self.hear(&client.next_within(OUTAGE_AND_MORE).await);
        }
    }

    /// Waits until everything that was queued has its result.
    pub(crate) async fn results(&mut self, client: &mut Client) {
        while self.finished.len() < self.queued.len() {
            self.hear(&client.next_within(OUTAGE_AND_MORE).await);
        }
    }
}

/// Eight clients of a hundred jobs each, at most five of which are unanswered at a time.
async fn load(gateway: &Program) -> Vec<Story> {
    let address = gateway.address();
    let clients = (0..8).map(|number| {
        let address = address.clone();
        async move {
            let mut client = Client::connect_to(&address).await;
            let mut story = Story::default();
            for turn in 0..100 {
                story
                    .ask(&mut client, "default", &format!("{number} {turn}"))
                    .await;
                if turn % 5 == 4 {
                    story.answers(&mut client).await;
                }
            }
            story.results(&mut client).await;
            client.expect_silence().await;
            story
        }
    });
    futures_util::future::join_all(clients).await
}

async fn result(client: &mut Client) -> Message {
    let message = client.next().await;
    assert_eq!(message.action(), "job_result", "{message:?}");
    message
}

/// Waits for the results of `jobs`, each once.
async fn results(client: &mut Client, jobs: &mut HashSet<String>) {
    while !jobs.is_empty() {
        let message = result(client).await;
        assert!(jobs.remove(&message.job_id()), "{message:?}");
    }
}

/// Waits until so many jobs run.
pub(crate) async fn running(database: &TestDatabase, jobs: i64) {
    eventually("they should run", async || {
        database.count("ringback.job where state = 'running'").await == jobs
    })
    .await;
}

/// Waits until so many jobs run that have lost a worker.
pub(crate) async fn running_elsewhere(database: &TestDatabase, jobs: i64) {
    eventually("they should run elsewhere", async || {
        database
            .count("ringback.job where state = 'running' and crashes = 1 and attempt = 2")
            .await
            == jobs
    })
    .await;
}

/// Waits until at least so many jobs have finished.
async fn finished(database: &TestDatabase, jobs: i64) {
    eventually("they should finish", async || {
        let finished: Result<i64, _> =
            sqlx::query_scalar("select count(*) from ringback.job_history")
                .fetch_one(&database.pool)
                .await;
        finished.is_ok_and(|finished| finished >= jobs)
    })
    .await;
}

/// Waits until no job is left over: one whose submission was cut off may still be on its way.
async fn no_job_left(database: &TestDatabase) {
    eventually("no job should be left", async || {
        database.count("ringback.job").await == 0
    })
    .await;
}

/// How many jobs succeeded at once, when all that there are did.
pub(crate) async fn untroubled(database: &TestDatabase) -> i64 {
    assert_eq!(database.count("ringback.job_attempt").await, 0);
    let untroubled = "ringback.job_history where state = 'succeeded' and attempt = 1 and failures = 0 and crashes = 0";
    let count = database.count(untroubled).await;
    assert_eq!(count, database.count("ringback.jobs").await);
    count
}
