//! `notify` and what it prints.

use std::process::Command;

use crate::support::{Program, TestDatabase};

#[tokio::test]
async fn notify_prints_what_the_command_it_began_as_printed() {
    let database = TestDatabase::new().await;
    let mut once = Program::start(&database, &["notify", "Hello"]);
    assert!(once.ended().await.success());
    let twice = Command::new(env!("CARGO_BIN_EXE_ringback"))
        .args(["notify", "Hi", "--repeat", "2", "--interval", "0"])
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let once = Command::new(env!("CARGO_BIN_EXE_ringback"))
        .args(["notify", "Hello"])
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(once.stdout).unwrap(),
        "Sending notification: Hello\n  ✅ Notification sent!\n\n✅ All notifications sent successfully!\n\
         No gateway is alive: nobody is connected to hear it.\n"
    );
    assert_eq!(
        String::from_utf8(twice.stdout).unwrap(),
        "Sending notification: Hi\n  Sending notification 1/2...\n  ✅ Notification sent!\n  \
         Sending notification 2/2...\n  ✅ Notification sent!\n\n✅ All notifications sent successfully!\n\
         No gateway is alive: nobody is connected to hear it.\n"
    );
    let numbers: Vec<i64> =
        sqlx::query_scalar("select number from ringback.notice order by number")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

#[tokio::test]
async fn a_notice_lives_for_as_long_as_it_is_told() {
    let database = TestDatabase::new().await;
    for (ttl, lives) in [(None, "1 h"), (Some("2d"), "2 d"), (Some("90"), "90 s")] {
        let mut arguments = vec!["notify", lives];
        arguments.extend(ttl.iter().flat_map(|ttl| ["--ttl", ttl]));
        let mut notify = Program::start(&database, &arguments);
        assert!(notify.ended().await.success());
        let about = format!(
            "ringback.notice where content = '{lives}'
             and expires_at - created_at between interval '{lives}' - interval '1 s' and interval '{lives}' + interval '1 s'"
        );
        assert_eq!(database.count(&about).await, 1, "{lives}");
    }
}

#[tokio::test]
async fn notices_are_numbered_in_the_order_in_which_they_commit() {
    let database = TestDatabase::new().await;
    let send = |_| async {
        let database = database.database();
        let mut link = database.link("test");
        ringback::notice::send(link.connected().await.unwrap(), "system", "x", HOUR)
            .await
            .unwrap()
    };
    let mut numbers = futures_util::future::join_all((0..20).map(send)).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}
