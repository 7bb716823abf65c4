//! A wish to cancel a job that meets another step at it: whichever commits first is what happened.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use ringback::ids::{JobId, JobIds, WorkerId};
use ringback::postgres::hints::Hinting;
use ringback::queue::cancel::{Cancelled, cancel};
use ringback::queue::claim::{Want, claim};
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::{finish, put_back};
use ringback::queue::{Actor, Claimed, Cursor, Ended, Ending, PutBack, Try, Why};
use ringback::wire::JobState;
use serde_json::json;
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::scale::job;
use crate::support::{TestDatabase, eventually};

const FIRST: Try = Try {
    again: false,
    hints: Hinting::Notify,
};

/// Two steps that meet at one job: the first is held open until the second waits for it.
struct Race {
    database: TestDatabase,
    first: PgConnection,
    second: PgConnection,
}

impl Race {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        Self {
            first: PgConnection::connect(&database.url).await.unwrap(),
            second: PgConnection::connect(&database.url).await.unwrap(),
            database,
        }
    }

    async fn ready(&mut self) -> JobId {
        let id = JobIds::default().next(SystemTime::now());
        enqueue(&mut self.first, &[job(id)], FIRST).await.unwrap();
        id
    }

    async fn claimed(&mut self) -> Claimed {
        self.ready().await;
        claim_one(&mut self.first).await.unwrap()
    }

    async fn ended_as(&self, state: &str) {
        let rows = format!("ringback.job_history where state = '{state}'");
        assert_eq!(self.database.count(&rows).await, 1);
        assert_eq!(self.database.count("ringback.job").await, 0);
    }
}

/// Commits the first step when the second, which is under way, waits for it.
async fn overtaken<T>(
    database: &TestDatabase,
    first: Transaction<'_, Postgres>,
    second: impl Future<Output = T>,
) -> T {
    let commit = async {
        let waiting =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        eventually("the second step should wait for the first", async || {
            database.count(waiting).await == 1
        })
        .await;
        first.commit().await.unwrap();
    };
    tokio::join!(second, commit).0
}

async fn claim_one(connection: &mut PgConnection) -> Option<Claimed> {
    let cursor = Mutex::new(Cursor::new(["default".to_owned()]));
    let tasks = ["a".to_owned()];
    let want = Want::any(WorkerId::random(), &tasks, 1);
    let claims = claim(connection, &cursor, &want).await.unwrap();
    claims.jobs.into_iter().next()
}

async fn end(connection: &mut PgConnection, job: &Claimed, ending: Ending) {
    let ended = Ended {
        id: job.id,
        claim_id: job.claim_id,
        ending,
    };
    finish(connection, &[ended], FIRST).await.unwrap();
}

async fn fail_for_now(connection: &mut PgConnection, job: &Claimed) {
    let put = PutBack {
        id: job.id,
        claim_id: job.claim_id,
        why: Why::Failed {
            code: "task_failed".to_owned(),
            error: "it failed".to_owned(),
            delay: Duration::ZERO,
        },
    };
    put_back(connection, &[put], FIRST).await.unwrap();
}

fn done() -> Ending {
    Ending::succeeded(json!("done"))
}

fn failed() -> Ending {
    Ending::Failed {
        code: "task_failed".to_owned(),
        error: "it failed".to_owned(),
    }
}

#[tokio::test]
async fn a_success_that_is_being_committed_wins() {
    let mut race = Race::new().await;
    let job = race.claimed().await;
    let mut first = race.first.begin().await.unwrap();
    end(&mut first, &job, done()).await;
    let second = cancel(&mut race.second, job.id, &Actor::Operator);
    let cancelled = overtaken(&race.database, first, second).await;
    assert_eq!(cancelled.unwrap(), Cancelled::Over(JobState::Succeeded));
    race.ended_as("succeeded").await;
}

#[tokio::test]
async fn what_comes_of_a_job_while_a_wish_is_being_committed_is_not_tried_again() {
    for (ending, state) in [
        (Some(done()), "succeeded"),
        (Some(failed()), "cancelled"),
        (None, "cancelled"),
    ] {
        let mut race = Race::new().await;
        let job = race.claimed().await;
        let mut first = race.first.begin().await.unwrap();
        let asked = cancel(&mut first, job.id, &Actor::Operator).await;
        assert_eq!(asked.unwrap(), Cancelled::Asked);
        let second = async {
            match ending {
                Some(ending) => end(&mut race.second, &job, ending).await,
                None => fail_for_now(&mut race.second, &job).await,
            }
        };
        overtaken(&race.database, first, second).await;
        race.ended_as(state).await;
    }
}

#[tokio::test]
async fn a_job_that_is_being_put_back_ends_at_once() {
    let mut race = Race::new().await;
    let job = race.claimed().await;
    let mut first = race.first.begin().await.unwrap();
    fail_for_now(&mut first, &job).await;
    let second = cancel(&mut race.second, job.id, &Actor::Operator);
    let cancelled = overtaken(&race.database, first, second).await;
    assert_eq!(cancelled.unwrap(), Cancelled::Ended);
    race.ended_as("cancelled").await;
}

#[tokio::test]
async fn a_job_that_is_being_claimed_is_asked_to_end_and_one_that_is_being_ended_is_not_claimed() {
    let mut race = Race::new().await;
    let id = race.ready().await;
    let mut first = race.first.begin().await.unwrap();
    let job = claim_one(&mut first).await.unwrap();
    let second = cancel(&mut race.second, id, &Actor::Operator);
    let cancelled = overtaken(&race.database, first, second).await;
    assert_eq!(cancelled.unwrap(), Cancelled::Asked);
    fail_for_now(&mut race.first, &job).await;
    race.ended_as("cancelled").await;

    let mut race = Race::new().await;
    let id = race.ready().await;
    let mut first = race.first.begin().await.unwrap();
    let ended = cancel(&mut first, id, &Actor::Operator).await;
    assert_eq!(ended.unwrap(), Cancelled::Ended);
    assert_eq!(claim_one(&mut race.second).await, None);
    first.commit().await.unwrap();
    race.ended_as("cancelled").await;
}
