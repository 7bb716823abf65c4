//! Sessions that move: to another socket, and to another gateway.

use std::time::Duration;

use uuid::Uuid;

use super::{finished, pair};
use crate::support::{Client, Program, TestDatabase};

#[tokio::test]
async fn a_socket_that_takes_a_session_over_ends_the_one_before() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut first = Client::connect(&gateways[0]).await;
    let secret = first.begin().await;
    let job = first.submit("default", "a").await;

    let mut second = Client::connect(&gateways[0]).await;
    assert_eq!(second.recover(&secret).await.len(), 1);
    let mut third = Client::connect(&gateways[1]).await;
    assert_eq!(third.recover(&secret).await.len(), 1);
    for loser in [&mut first, &mut second] {
        let close = loser.closed().await.expect("a close");
        assert_eq!(u16::from(close.code), 4010);
        assert!(close.reason.contains("do not come back"), "{close:?}");
    }
    let _worker = Program::worker(&database, &[]).await;
    assert_eq!(third.next().await.job_id(), job);
}

#[tokio::test]
async fn sessions_are_right_with_polling_alone() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &["--poll-only"]).await;
    let gateways = [
        Program::serve(&database, &["--poll-only"]).await,
        Program::serve(&database, &["--poll-only"]).await,
    ];
    let mut first = Client::connect(&gateways[0]).await;
    let secret = first.begin().await;
    let mut second = Client::connect(&gateways[1]).await;
    second.recover(&secret).await;
    assert_eq!(u16::from(first.closed().await.unwrap().code), 4010);
    let job = second.submit("default", "a").await;
    assert_eq!(second.next().await.job_id(), job);

    // A job of the session that its socket has not asked for, as an earlier one leaves it behind.
    let late = format!(
        "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts, session_id)
         values ('{}', 'default', 'default', 'default', '\"late\"', 'ready', 0, now(), 3, '{}')",
        Uuid::now_v7(),
        secret.session
    );
    database.execute(&late).await;
    assert_eq!(second.next().await.text(), "✅ Processed: LATE");
    second.expect_silence().await;
}

#[tokio::test]
async fn a_gateway_passes_on_what_it_hears_of_a_session_that_has_moved_and_does_so_once() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let id: Uuid = sqlx::query_scalar("select id from ringback.gateway")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let elsewhere = Uuid::new_v4();
    let mut listener = sqlx::postgres::PgListener::connect(&database.url)
        .await
        .unwrap();
    listener
        .listen(&format!("ringback_done_{}", elsewhere.simple()))
        .await
        .unwrap();
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    let job = client.submit("default", "a").await;
    drop(client);
    let worker = Program::worker(&database, &[]).await;
    finished(&database, 1).await;
    drop(worker);
    database
        .execute(&format!(
            "update ringback.session set gateway_id = '{elsewhere}'"
        ))
        .await;

    // As a finish does that has read where the session was before it moved.
    let hint = async |payload: &str| {
        let hint = format!(
            "select ringback.hint('ringback_done_{}', '{payload}')",
            id.simple()
        );
        database.execute(&hint).await;
    };
    hint(&job).await;
    let passed_on = tokio::time::timeout(Duration::from_secs(20), listener.recv());
    assert_eq!(
        passed_on.await.unwrap().unwrap().payload(),
        format!("+ {job}")
    );
    hint(&format!("+ {job}")).await;
    let again = tokio::time::timeout(Duration::from_millis(500), listener.recv()).await;
    assert!(again.is_err(), "{again:?}");
    drop(secret);
}
