//! Jobs that come back: each firing once in the whole fleet, in its time zone, and after an outage once or not at all.

use std::time::Duration;

use crate::support::{Program, TestDatabase, eventually};

async fn recurring(database: &TestDatabase, arguments: &[&str]) -> String {
    let mut command = Program::start(database, &[&["recurring"], arguments].concat());
    assert!(command.ended().await.success(), "{}", command.output());
    command.output()
}

#[tokio::test]
async fn each_firing_is_one_job_whoever_looks() {
    let database = TestDatabase::new().await;
    let _fleet = [
        Program::worker(&database, &[]).await,
        Program::worker(&database, &[]).await,
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let said = recurring(
        &database,
        &["set", "tick", "* * * * * *", "default", "tick"],
    )
    .await;
    assert!(said.starts_with("tick fires next at 2"), "{said}");
    eventually("it should have fired some times", async || {
        database.count("ringback.job_history").await >= 8
    })
    .await;
    recurring(&database, &["remove", "tick"]).await;
    eventually("all should be over", async || {
        database.count("ringback.job").await == 0
    })
    .await;
    // Never two for one second; one that is late is the only one for the seconds until then.
    let spaced = "(
            select date_trunc('second', queued_at) - lag(date_trunc('second', queued_at)) over (order by queued_at) as since
            from ringback.jobs where content = 'tick'
        ) as firings
        where since < interval '1 second'";
    assert_eq!(database.count(spaced).await, 0);
}

#[tokio::test]
async fn a_firing_that_was_missed_is_caught_up_once_or_left_out() {
    let database = TestDatabase::new().await;
    for (name, missed) in [("caught", "catch-up"), ("left", "skip")] {
        recurring(
            &database,
            &[
                "set",
                name,
                "0 * * * *",
                "default",
                name,
                "--missed",
                missed,
            ],
        )
        .await;
    }
    database
        .execute("update ringback.recurring set next_at = date_trunc('hour', now()) - interval '5 hours'")
        .await;
    let _worker = Program::worker(&database, &[]).await;
    eventually("both should be due in the future again", async || {
        database
            .count("ringback.recurring where next_at > now()")
            .await
            == 2
    })
    .await;
    eventually("one should be over", async || {
        database.count("ringback.job_history").await == 1
    })
    .await;
    let caught = "ringback.jobs join ringback.recurring on last_job = id where content = 'caught' and name = 'caught'";
    assert_eq!(database.count(caught).await, 1);
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn a_firing_waits_for_its_task_and_keeps_nobody_else_waiting() {
    let database = TestDatabase::new().await;
    let _gateway = Program::serve(&database, &[]).await;
    // Where there is no default task, nobody knows what to run.
    database.execute("delete from ringback.task").await;
    recurring(&database, &["set", "other", "* * * * * *", "count", ""]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(database.count("ringback.jobs").await, 0);
    let _worker = Program::unruly(&database).await;
    eventually("it should fire", async || {
        database.count("ringback.job_history").await >= 1
    })
    .await;
}

#[tokio::test]
async fn the_command_says_what_is_wrong_and_lists_what_there_is() {
    let database = TestDatabase::new().await;
    let wrong: [(&[&str], &str); 4] = [
        (
            &["set", "a", "every day", "default", "x"],
            "is not a cron expression",
        ),
        (
            &[
                "set",
                "a",
                "0 4 * * *",
                "default",
                "x",
                "--time-zone",
                "Berlin",
            ],
            "is not a time zone",
        ),
        (
            &["set", "a", "0 0 31 2 *", "default", "x"],
            "it would never fire",
        ),
        (&["remove", "a"], "no recurring job is called a"),
    ];
    for (arguments, message) in wrong {
        let mut command = Program::start(&database, &[&["recurring"], arguments].concat());
        assert!(!command.ended().await.success());
        assert!(command.output().contains(message), "{}", command.output());
    }
    for cron in ["0 4 * * *", "30 4 * * *"] {
        let zone = ["--time-zone", "Europe/Berlin", "--missed", "skip"];
        let set = ["set", "early", cron, "default", "x"];
        recurring(&database, &[&set[..], &zone].concat()).await;
    }
    let listed = recurring(&database, &["list"]).await;
    let words: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .starts_with("early default 30 4 * * * Europe/Berlin skip 2"),
        "{listed}"
    );
    assert_eq!(listed.lines().count(), 2);
}
