//! Several gateways and workers on one database.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::support::{Client, Program, TestDatabase};

#[tokio::test]
async fn results_reach_the_right_socket_only_through_any_gateway_and_worker() {
    let database = TestDatabase::new().await;
    // In any order.
    let mut workers = vec![Program::worker(&database, &[]).await];
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    workers.push(Program::worker(&database, &["--concurrency", "1"]).await);
    workers.push(Program::worker(&database, &[]).await);

    let clients = (0..20).map(|number| {
        let address = gateways[number % 2].address();
        async move {
            let mut client = Client::connect_to(&address).await;
            let mut expected = HashMap::new();
            for turn in 0..50 {
                let content = format!("client {number} turn {turn}");
                let job = client
                    .submit_amid_results("default", &content, &mut expected)
                    .await;
                expected.insert(job, format!("✅ Processed: {}", content.to_uppercase()));
            }
            client.collect(&mut expected).await;
            client.expect_silence().await;
        }
    });
    futures_util::future::join_all(clients).await;
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(
        database
            .count("ringback.job_history where state = 'succeeded'")
            .await,
        1000
    );
    let worked: Vec<i64> =
        sqlx::query_scalar("select count(*) from ringback.job_history group by worker_id")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert_eq!(worked.iter().sum::<i64>(), 1000);
}

#[tokio::test]
async fn a_notice_reaches_every_socket_of_every_gateway_once() {
    let database = TestDatabase::new().await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &[]).await,
    ];
    let mut clients = Vec::new();
    for number in 0..10 {
        clients.push(Client::connect(&gateways[number % 2]).await);
        // Answered, so it has joined.
        clients.last_mut().unwrap().expect_silence().await;
    }
    let mut notify = Program::start(
        &database,
        &["notify", "hello all", "--repeat", "3", "--interval", "0"],
    );
    assert!(notify.ended().await.success());
    for client in &mut clients {
        for _ in 0..3 {
            let notice = client.next().await;
            assert_eq!(
                (notice.action(), notice.text()),
                ("system_notification", "hello all")
            );
        }
        client.expect_silence().await;
    }
}

#[tokio::test]
async fn everything_is_right_with_polling_alone() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--poll-only"]).await;
    let _worker = Program::worker(&database, &["--poll-only"]).await;
    // Nobody listens, and hints fail besides.
    database
        .execute(
            "create or replace function ringback.hint(channel text, payload text) returns void language plpgsql as
             $$ begin raise exception 'too many notifications in the NOTIFY queue' using errcode = '54000'; end $$",
        )
        .await;
    let mut client = Client::connect(&gateway).await;
    let mut expected = HashMap::new();
    for number in 0..20 {
        let content = number.to_string();
        let job = client
            .submit_amid_results("default", &content, &mut expected)
            .await;
        expected.insert(job, format!("✅ Processed: {content}"));
    }
    let mut notify = Program::start(&database, &["notify", "still here"]);
    assert!(notify.ended().await.success(), "{}", notify.output());
    let mut notices = 0;
    while !expected.is_empty() || notices == 0 {
        let message = client.next().await;
        match message.action() {
            "job_result" => {
                let text = expected.remove(&message.job_id());
                assert_eq!(text.as_deref(), Some(message.text()));
            }
            "system_notification" => notices += 1,
            other => panic!("an unexpected {other}"),
        }
    }
    client.expect_silence().await;
    let listening = database
        .count("pg_stat_activity where datname = current_database() and query ilike 'listen%'")
        .await;
    assert_eq!(listening, 0);
}

#[tokio::test]
async fn idle_processes_ask_less_than_one_question_a_second() {
    let database = TestDatabase::on_its_own_server().await;
    // Nobody else's transactions are to be counted.
    database.execute("alter system set autovacuum = off").await;
    database.execute("select pg_reload_conf()").await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "the last one").await;
    client.next().await;

    // Who is idle says what it has done after ten seconds.
    client.listen_for(Duration::from_secs(12)).await;
    let before = database.transactions().await;
    let since = Instant::now();
    client.listen_for(Duration::from_secs(20)).await;
    let asked = database.transactions().await - before;
    let each = f64::from(i32::try_from(asked).unwrap()) / since.elapsed().as_secs_f64() / 2.0;
    assert!(each < 1.0, "{each} statements a second");
    // They beat, poll and sweep all the same.
    assert!(each > 0.3, "{each} statements a second");
}

impl TestDatabase {
    /// How many transactions have ended here, each a statement of ours, as far as the server has added them up.
    async fn transactions(&self) -> i64 {
        sqlx::query_scalar(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}
