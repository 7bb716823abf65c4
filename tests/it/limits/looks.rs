//! Looking at a limit: what there is room for is let through, whatever has changed and whoever else looks.

use std::sync::Mutex;
use std::time::Duration;

use ringback::ids::WorkerId;
use ringback::postgres::hints::Hinting;
use ringback::queue::claim::{Want, claim};
use ringback::queue::finish::put_back;
use ringback::queue::tasks::{self, TaskRow};
use ringback::queue::{Cursor, PutBack, Try, Why, limits};
use ringback::task::Limits;
use sqlx::{Connection, PgConnection};

use crate::support::{TestDatabase, eventually};

/// As a program that has the task `a` makes it known.
async fn registered(connection: &mut PgConnection, limits: Limits, key_limits: Limits) {
    let task = TaskRow {
        name: "a".to_owned(),
        queue: "default".to_owned(),
        max_attempts: 5,
        limits,
        key_limits,
        input: None,
        output: None,
    };
    tasks::register(&mut *connection, None, &[task])
        .await
        .unwrap();
}

#[tokio::test]
async fn limits_that_change_are_looked_at_again() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let one = Limits::none().at_once(1);
    registered(&mut connection, one, one).await;
    for key in ["k", "k", "l", "l"] {
        let job = format!("'a', content => '', concurrency_key => '{key}'");
        database.enqueue(&job).await.unwrap();
    }
    let ready = async || {
        database
            .count("ringback.job where state = 'ready' and held_for is null")
            .await
    };
    limits::admit(&mut connection).await.unwrap();
    assert_eq!(ready().await, 1);
    // One of each key, of which the task lets two run.
    registered(&mut connection, Limits::none().at_once(2), one).await;
    limits::admit(&mut connection).await.unwrap();
    assert_eq!(ready().await, 2);
    let three = Limits::none().at_once(3);
    registered(&mut connection, three, Limits::none()).await;
    limits::admit(&mut connection).await.unwrap();
    assert_eq!(ready().await, 3);
    registered(&mut connection, Limits::none(), Limits::none()).await;
    limits::admit(&mut connection).await.unwrap();
    assert_eq!(ready().await, 4);
    assert_eq!(database.count("ringback.limit_event").await, 0);
}

#[tokio::test]
async fn what_comes_while_a_limit_is_looked_at_does_not_end_the_look() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    registered(&mut connection, Limits::none().at_once(1), Limits::none()).await;
    database.enqueue("'a', content => ''").await.unwrap();
    // The look waits in the middle of its deleting, so that the next job comes before it goes on.
    let mut transaction = database.pool.begin().await.unwrap();
    sqlx::query("select from ringback.limit_event for update")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let comes = async {
        let waits =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        eventually("the look should wait", async || {
            database.count(waits).await == 1
        })
        .await;
        database.enqueue("'a', content => ''").await.unwrap();
        transaction.rollback().await.unwrap();
    };
    let (looked, ()) = tokio::join!(limits::admit(&mut connection), comes);
    looked.unwrap();
    let ready = "ringback.job where state = 'ready'";
    assert_eq!(database.count(ready).await, 1);
    // The reason that it left is one to look again.
    assert_eq!(database.count("ringback.limit_event").await, 1);
}

#[tokio::test]
async fn whatever_takes_a_job_away_leaves_its_room() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    registered(&mut connection, Limits::none().at_once(1), Limits::none()).await;
    for _ in 0..3 {
        database.enqueue("'a', content => ''").await.unwrap();
    }
    for left in (0..3).rev() {
        limits::admit(&mut connection).await.unwrap();
        let ready = "ringback.job where state = 'ready'";
        assert_eq!(database.count(ready).await, 1);
        // An operator who knows no better.
        database
            .execute("delete from ringback.job where state = 'ready'")
            .await;
        assert_eq!(database.count("ringback.job").await, left);
    }
}

#[tokio::test]
async fn a_job_that_goes_back_without_having_been_started_is_no_start() {
    let database = TestDatabase::new().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let seldom = Limits::none().starts(1, Duration::from_secs(3_600));
    registered(&mut connection, seldom, Limits::none()).await;
    database.enqueue("'a', content => ''").await.unwrap();
    let tasks = ["a".to_owned()];
    let want = Want::any(WorkerId::random(), &tasks, 1);
    for why in [
        Why::Postponed(Duration::ZERO),
        Why::NotStarted,
        Why::Interrupted,
    ] {
        limits::admit(&mut connection).await.unwrap();
        let cursor = Mutex::new(Cursor::new(vec!["default".to_owned()]));
        let claims = claim(&mut connection, &cursor, &want).await.unwrap();
        let [job] = &claims.jobs[..] else {
            panic!("it should be let through before {why:?}");
        };
        let (id, claim_id) = (job.id, job.claim_id);
        let back = PutBack { id, claim_id, why };
        let this = Try {
            hints: Hinting::Nothing,
            again: false,
        };
        put_back(&mut connection, &[back], this).await.unwrap();
    }
    // The last one had been started.
    limits::admit(&mut connection).await.unwrap();
    let held = "ringback.job where state = 'held'";
    assert_eq!(database.count(held).await, 1);
}

#[tokio::test]
async fn two_that_look_at_a_limit_at_once_let_one_job_through() {
    let database = TestDatabase::new().await;
    let mut first = PgConnection::connect(&database.url).await.unwrap();
    let mut second = PgConnection::connect(&database.url).await.unwrap();
    registered(&mut first, Limits::none().at_once(1), Limits::none()).await;
    for _ in 0..2 {
        database.enqueue("'a', content => ''").await.unwrap();
    }
    let mut transaction = first.begin().await.unwrap();
    limits::admit(&mut transaction).await.unwrap();
    // A reason of its own, so that the second looks as well, and waits for its turn.
    database
        .execute("insert into ringback.limit_event (task, due_at) values ('a', now())")
        .await;
    let commit = async {
        let waiting =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        eventually("the second should wait for the first", async || {
            database.count(waiting).await == 1
        })
        .await;
        transaction.commit().await.unwrap();
    };
    let (admitted, ()) = tokio::join!(limits::admit(&mut second), commit);
    admitted.unwrap();
    assert_eq!(
        database.count("ringback.job where state = 'ready'").await,
        1
    );
}
