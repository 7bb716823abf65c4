//! Sessions that move while something else happens: a result is committed, their gateway is frozen, their line is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use ringback::queue::finish::finish;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::{FIRST_TIME, gateway_id, result, taken};
use crate::sessions::{id, pair};
use crate::support::{Client, Line, Program, Proxy, TestDatabase, eventually};

/// Where the only session is.
async fn home(database: &TestDatabase) -> Option<Uuid> {
    sqlx::query_scalar("select gateway_id from ringback.session")
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

/// Waits until a statement waits for a lock that the test holds.
async fn somebody_waits(database: &TestDatabase) {
    eventually("a statement should wait for the lock", async || {
        let waits =
            "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        database.count(waits).await > 0
    })
    .await;
}

async fn notify(database: &TestDatabase, text: &str) {
    let mut notify = Program::start(database, &["notify", text]);
    assert!(notify.ended().await.success());
}

#[tokio::test]
async fn a_result_that_is_committed_after_its_session_has_moved_comes_once() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut first = Client::connect(&gateways[0]).await;
    let secret = first.begin().await;
    let job = first.submit("default", "a").await;
    let ended = [taken(&database, &job).await];

    // The finish reads where the session is, and then that is not so any more.
    let mut finishing = database.pool.begin().await.unwrap();
    finish(&mut finishing, &ended, FIRST_TIME).await.unwrap();
    let mut second = Client::connect(&gateways[1]).await;
    let pending = second.recover(&secret).await;
    assert_eq!(
        pending,
        BTreeMap::from([(job.clone(), "running".to_owned())])
    );
    finishing.commit().await.unwrap();
    result(&mut second, &job).await;
    assert_eq!(u16::from(first.closed().await.unwrap().code), 4010);
    assert_eq!(database.count("ringback.mailbox").await, 1);
    second.expect_silence().await;
}

#[tokio::test]
async fn a_result_that_is_committed_while_its_session_moves_comes_once() {
    // Held by the finish, so that both go on at its commit: the take-over waits for it, or the reading of the mailbox, or
    // that of the notices.
    for lock in [
        "select id from ringback.session for update",
        "lock table ringback.mailbox in access exclusive mode",
        "lock table ringback.notice in access exclusive mode",
    ] {
        let database = TestDatabase::new().await;
        let gateways = pair(&database).await;
        let mut first = Client::connect(&gateways[0]).await;
        let secret = first.begin().await;
        let job = first.submit("default", "a").await;
        let ended = [taken(&database, &job).await];

        let mut finishing = database.pool.begin().await.unwrap();
        finish(&mut finishing, &ended, FIRST_TIME).await.unwrap();
        finishing
            .execute(AssertSqlSafe(lock.to_owned()))
            .await
            .unwrap();
        let mut second = Client::connect(&gateways[1]).await;
        second.ask_to_resume(Some(&secret)).await;
        somebody_waits(&database).await;
        finishing.commit().await.unwrap();

        let resumed = second.next().await;
        assert_eq!(resumed.action(), "resumed", "{lock}: {resumed:?}");
        result(&mut second, &job).await;
        second.expect_silence().await;
    }
}

#[tokio::test]
async fn a_gateway_that_wakes_up_with_a_session_that_has_moved_does_no_harm() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let there = gateway_id(&database, &gateways[1]).await;
    let mut first = Client::connect(&gateways[0]).await;
    let secret = first.begin().await;
    let before = first.submit("default", "before").await;
    gateways[0].signal("STOP");
    let mut second = Client::connect(&gateways[1]).await;
    assert_eq!(second.recover(&secret).await.len(), 1);
    let _worker = Program::worker(&database, &[]).await;
    result(&mut second, &before).await;

    gateways[0].signal("CONT");
    // It has left the session when it says goodbye.
    assert_eq!(u16::from(first.closed().await.unwrap().code), 4010);
    assert_eq!(home(&database).await, Some(there));
    let mut hints = PgListener::connect(&database.url).await.unwrap();
    let channel = format!("ringback_done_{}", there.simple());
    hints.listen(&channel).await.unwrap();
    let after = second.submit("default", "after").await;
    result(&mut second, &after).await;
    let hint = tokio::time::timeout(Duration::from_secs(20), hints.recv());
    assert_eq!(hint.await.unwrap().unwrap().payload(), after);
    second.expect_silence().await;
    assert_eq!(home(&database).await, Some(there));
    let mut third = Client::connect(&gateways[0]).await;
    third.recover(&secret).await;
    let results = third.results(2).await;
    assert_eq!(results.into_keys().collect::<Vec<_>>(), [before, after]);
}

#[tokio::test]
async fn what_was_written_to_a_socket_that_was_lost_comes_again_on_the_next() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let proxy = Proxy::before(&gateways[0].address()).await;
    let mut client = Client::connect_to(&proxy.address()).await;
    let secret = client.begin().await;
    let answered = client.submit("default", "answered").await;
    // The answer is written, and the connection is lost with it.
    assert_eq!(proxy.turn("", Line::CutAtAnswer), 1);
    client.ask("default", "unanswered").await;
    assert_eq!(client.closed().await, None);
    drop(client);
    let mut client = Client::connect_to(&proxy.address()).await;
    let mut pending = client.recover(&secret).await;
    assert_eq!(pending.remove(&answered).as_deref(), Some("ready"));
    let unanswered: Vec<String> = pending.into_keys().collect();
    assert_eq!(unanswered.len(), 1);

    // The results are written into a connection that has no other end.
    assert_eq!(proxy.turn("", Line::Swallows), 1);
    let _worker = Program::worker(&database, &[]).await;
    eventually("both should be over", async || {
        database.count("ringback.job_history").await == 2
    })
    .await;
    let mut last = Client::connect(&gateways[1]).await;
    assert!(last.recover(&secret).await.is_empty());
    let results = last.results(2).await;
    assert!(results.contains_key(&answered) && results.contains_key(&unanswered[0]));
    last.expect_silence().await;
}

#[tokio::test]
async fn a_notice_that_expires_while_a_socket_catches_up_is_not_waited_for() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut witness = Client::connect(&gateway).await;
    let secret = Client::connect(&gateway).await.begin().await;
    let mut client = Client::connect(&gateway).await;
    let left = client.begin().await;

    // It belongs to the other session already, and waits to leave the one it had: nothing that it missed is read yet.
    let mut lock = database.pool.begin().await.unwrap();
    sqlx::query("select id from ringback.session where id::text = $1 for update")
        .bind(&left.session)
        .execute(&mut *lock)
        .await
        .unwrap();
    client.ask_to_resume(Some(&secret)).await;
    somebody_waits(&database).await;
    for text in ["read", "expired"] {
        notify(&database, text).await;
        assert_eq!(witness.next().await.text(), text);
    }
    database
        .execute("update ringback.notice set expires_at = now() where content = 'expired'")
        .await;
    lock.rollback().await.unwrap();

    assert_eq!(client.next().await.action(), "resumed");
    let read = client.next().await;
    assert_eq!((read.text(), id(&read).as_str()), ("read", "notice-1"));
    // Answered when it has caught up.
    client.expect_silence().await;
    notify(&database, "new").await;
    let new = client.next().await;
    assert_eq!((new.text(), id(&new).as_str()), ("new", "notice-3"));
    let _worker = Program::worker(&database, &[]).await;
    let job = client.submit("default", "a").await;
    result(&mut client, &job).await;
    client.expect_silence().await;
}
