//! The queue under load and beside long readers: what is read and what is waited for, not how long it takes.

mod claims;
mod partitions;
mod plans;
mod reads;
mod repeats;

use std::sync::Mutex;
use std::time::Duration;

use ringback::ids::{JobId, JobIds, WorkerId};
use ringback::postgres::Link;
use ringback::postgres::hints::Hinting;
use ringback::queue::claim::{Want, claim};
use ringback::queue::{
    Answer, Asker, Claimed, Cursor, Due, Ended, Ending, NewJob, Rows, Try, commit,
};
use serde_json::json;
use sqlx::PgConnection;

use crate::support::TestDatabase;

const FIRST: Try = Try {
    again: false,
    hints: Hinting::Notify,
};
const DAY: Duration = Duration::from_secs(86_400);

/// A job of nobody, due now.
pub(crate) fn job(id: JobId) -> NewJob {
    NewJob {
        id,
        task: "a".to_owned(),
        task_type: "a".to_owned(),
        queue: "default".to_owned(),
        input: json!("x"),
        priority: 0,
        max_attempts: Some(5),
        due: Due::Now,
        concurrency_key: None,
        stream: false,
        traceparent: None,
        asker: Asker::nobody(),
        key: None,
    }
}

/// New jobs of now.
fn jobs(link: &Link, ids: &mut JobIds, count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job(ids.next(link.now()))).collect()
}

fn succeeded(claimed: &[Claimed]) -> Vec<Ended> {
    let ended = |job: &Claimed| Ended {
        id: job.id,
        claim_id: job.claim_id,
        ending: Ending::succeeded(json!("y")),
    };
    claimed.iter().map(ended).collect()
}

fn cursor() -> Mutex<Cursor> {
    Mutex::new(Cursor::new(["default".to_owned()]))
}

async fn claim_some(connection: &mut PgConnection, cursor: &Mutex<Cursor>) -> Vec<Claimed> {
    claim_as(connection, cursor, WorkerId::random()).await
}

async fn claim_as(
    connection: &mut PgConnection,
    cursor: &Mutex<Cursor>,
    worker: WorkerId,
) -> Vec<Claimed> {
    let tasks = ["a".to_owned()];
    claim(connection, cursor, &Want::any(worker, &tasks, 500))
        .await
        .unwrap()
        .jobs
}

async fn stored(database: &TestDatabase, link: &mut Link, jobs: &[NewJob]) {
    let answers = commit(link, Rows::New(jobs), Some(Duration::from_secs(10))).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Answer::Stored)),
        "{answers:?}"
    );
    assert!(database.count("ringback.job").await > 0);
}
