//! Whole processes that are frozen, restarted one after another, or left without a database, under load.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::faults::{running, running_elsewhere};
use crate::ledger::World;
use crate::ledger::book::{Book, keep_book};
use crate::sessions::pair;
use crate::support::{Client, Program, TestDatabase, eventually, eventually_within};

const CLIENTS: u64 = 4;

/// How long a gateway is frozen: longer than it lets a client be silent.
const FROZEN: Duration = Duration::from_secs(8);

/// Longer than the server lets a transaction be idle, and what follows it.
const FORGOTTEN_AND_MORE: Duration = Duration::from_secs(60);

/// How long the database is away; in the middle of it, it is seen how much is computed.
const AWAY: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(5);

/// Longer than an outage and what follows it.
const OUTAGE_AND_MORE: Duration = Duration::from_secs(90);

/// An answer that took this long was given after what was in its way.
const LATE: Duration = Duration::from_secs(3);

/// How long a client waits between two submissions.
const PAUSE: Duration = Duration::from_millis(50);

/// What one client was given by its one socket.
#[derive(Debug, Default)]
struct Given {
    results: usize,
    late: usize,
}

/// A client that submits with keys until it is over, and then waits for what is missing. Its socket must stay.
async fn submit_steadily(gateway: &Program, name: u64, is_over: &AtomicBool) -> Given {
    let mut client = Client::connect(gateway).await;
    client.begin().await;
    let mut given = Given::default();
    let mut asked = 0;
    // By key, since when.
    let mut unanswered: HashMap<String, Instant> = HashMap::new();
    let mut pending = HashSet::new();
    let mut next_ask = Instant::now();
    let mut give_up = None;
    loop {
        if !is_over.load(Ordering::Relaxed) {
            if unanswered.len() < 5 && Instant::now() >= next_ask {
                next_ask = Instant::now() + PAUSE;
                let key = format!("{name}-{asked}");
                asked += 1;
                client.send(submission(&key)).await;
                unanswered.insert(key, Instant::now());
            }
        } else if unanswered.is_empty() && pending.is_empty() {
            break;
        } else {
            let give_up = *give_up.get_or_insert_with(|| Instant::now() + OUTAGE_AND_MORE);
            assert!(
                Instant::now() < give_up,
                "{name}: {unanswered:?}, {pending:?}"
            );
        }
        let next = client.next_within(OUTAGE_AND_MORE);
        let Ok(message) = tokio::time::timeout(PAUSE, next).await else {
            continue;
        };
        let key = message.0["ref"].as_str().unwrap_or_default().to_owned();
        match message.action() {
            "job_queued" => {
                let since = unanswered.remove(&key).expect("one answer to each");
                given.late += usize::from(since.elapsed() > LATE);
                assert!(pending.insert(message.job_id()), "{message:?}");
            }
            "job_result" => {
                assert!(pending.remove(&message.job_id()), "twice: {message:?}");
                given.results += 1;
            }
            "error" => {
                let error = &message.0["payload"][0];
                assert_eq!(error["type"], "unavailable", "{message:?}");
                assert!(error["retry_after"].is_u64(), "{message:?}");
                client.send(submission(&key)).await;
            }
            _ => panic!("unexpected: {message:?}"),
        }
    }
    client.expect_silence().await;
    assert_eq!(given.results, asked);
    given
}

fn submission(key: &str) -> serde_json::Value {
    let payload = json!({"task_type": "default", "content": key, "idempotency_key": key});
    json!({"action": "system_message", "ref": key, "payload": payload})
}

/// A worker whose jobs take a second.
async fn worker(database: &TestDatabase) -> Program {
    let worker = Program::start(database, &["worker", "--delay-scale", "1"]);
    worker.printed("working").await;
    worker
}

/// Waits until so many more jobs are over.
async fn over(database: &TestDatabase, more: i64) {
    let before = database.count("ringback.job_history").await;
    eventually("more jobs should be over", async || {
        database.count("ringback.job_history").await >= before + more
    })
    .await;
}

/// Each job that was submitted is over, and was given once.
async fn balanced(database: &TestDatabase, results: usize) {
    assert_eq!(database.count("ringback.job").await, 0);
    let results = i64::try_from(results).unwrap();
    assert_eq!(database.count("ringback.job_history").await, results);
}

#[tokio::test]
async fn a_gateway_that_was_frozen_goes_on_with_every_client_it_had() {
    let database = TestDatabase::new().await;
    let arguments = ["--ping-every", "1s", "--ping-patience", "5s"];
    let gateway = Program::serve(&database, &arguments).await;
    let _worker = worker(&database).await;
    let is_over = AtomicBool::new(false);
    let clients = join_all((0..CLIENTS).map(|name| submit_steadily(&gateway, name, &is_over)));
    let frozen = async {
        over(&database, 20).await;
        gateway.signal("STOP");
        tokio::time::sleep(FROZEN).await;
        // What was under way has finished without it.
        assert_eq!(database.count("ringback.job").await, 0);
        gateway.signal("CONT");
        over(&database, 20).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (given, ()) = tokio::join!(clients, frozen);
    assert!(given.iter().all(|given| given.late > 0), "{given:?}");
    balanced(&database, given.iter().map(|given| given.results).sum()).await;
}

#[tokio::test]
async fn a_frozen_process_keeps_nobody_from_taking_back_a_lost_workers_jobs() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateways = pair(&database).await;
    // From now on everyone may judge, and tries to every two seconds: one is frozen at some moment of that.
    let judging = Duration::from_secs(17) + Duration::from_secs(2).mul_f64(fastrand::f64());
    tokio::time::sleep(judging).await;
    let mut client = Client::connect(&gateways[1]).await;
    let mut jobs = HashSet::new();
    for _ in 0..5 {
        jobs.insert(client.submit("hold", "5").await);
    }
    running(&database, 5).await;
    gateways[0].signal("STOP");
    first.kill();
    let _second = Program::unruly(&database).await;
    running_elsewhere(&database, 5).await;
    while !jobs.is_empty() {
        assert!(jobs.remove(&client.next().await.job_id()));
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn a_process_that_is_frozen_with_the_sweepers_lock_loses_it() {
    let database = TestDatabase::new().await;
    let mut first = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("hold", "5").await;
    running(&database, 1).await;

    let mut link = database.database().link("frozen");
    let connection = link.connected().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let lock = "select pg_try_advisory_xact_lock(hashtextextended('ringback.recover', 0))";
    eventually("the lock should be free", async || {
        sqlx::query_scalar(lock)
            .fetch_one(&mut *transaction)
            .await
            .unwrap()
    })
    .await;
    let since = Instant::now();
    first.kill();
    let _second = Program::unruly(&database).await;
    let frozen = "pg_stat_activity where application_name = 'ringback frozen' and datname = current_database()";
    eventually_within(FORGOTTEN_AND_MORE, "it should be cut off", async || {
        database.count(frozen).await == 0
    })
    .await;
    assert!(transaction.execute("select").await.is_err());
    running_elsewhere(&database, 1).await;
    // It was in the way until then.
    assert!(since.elapsed() > Duration::from_secs(17));
    let result = client.next().await;
    assert_eq!((result.text(), result.job_id()), ("held", job));
    client.expect_silence().await;
}

/// Two gateways are replaced, one after the other and twice, while clients with sessions go to and fro.
async fn replace_every_gateway(end: impl AsyncFn(&mut Program)) {
    let database = TestDatabase::new().await;
    let mut gateways = pair(&database).await;
    let worker = Program::start(&database, &["worker", "--delay-scale", "0.1"]);
    worker.printed("working").await;
    let world = World::default();
    let publish = |gateways: &[Program; 2]| {
        *world.addresses.lock().unwrap() = gateways.iter().map(Program::address).collect();
    };
    publish(&gateways);
    let seed = fastrand::u64(..);
    let clients = join_all((0..CLIENTS).map(|client| keep_book(client, seed, &world)));
    let restarts = async {
        for which in [0, 1, 0, 1] {
            over(&database, 50).await;
            end(&mut gateways[which]).await;
            gateways[which] = Program::serve(&database, &[]).await;
            publish(&gateways);
        }
        over(&database, 50).await;
        world.end(Vec::new());
    };
    let (books, ()): (Vec<Book>, ()) = tokio::join!(clients, restarts);
    for book in &books {
        assert!(book.complaints.is_empty(), "{:#?}", book.complaints);
        assert!(book.open.is_empty(), "{:?}", book.open.keys());
        assert_eq!(book.done.len(), book.submitted);
    }
    balanced(&database, books.iter().map(|book| book.done.len()).sum()).await;
}

#[tokio::test]
async fn gateways_that_are_restarted_one_after_another_lose_and_double_nothing() {
    replace_every_gateway(async |gateway| {
        gateway.signal("TERM");
        assert!(gateway.ended().await.success(), "{}", gateway.output());
    })
    .await;
}

#[tokio::test]
async fn gateways_that_are_killed_one_after_another_lose_and_double_nothing() {
    replace_every_gateway(async |gateway| gateway.kill()).await;
}

#[tokio::test]
async fn while_postgres_is_gone_sockets_stay_and_nobody_exits_or_spins() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateways = pair(&database).await;
    let workers = [worker(&database).await, worker(&database).await];
    let is_over = AtomicBool::new(false);
    let clients = join_all((0..CLIENTS).map(|name| {
        let gateway = &gateways[usize::try_from(name % 2).unwrap()];
        submit_steadily(gateway, name, &is_over)
    }));
    let all = || gateways.iter().chain(&workers);
    let outage = async {
        over(&database, 50).await;
        database.end_server("QUIT").await;
        tokio::time::sleep((AWAY - WATCHED) / 2).await;
        let before: Vec<_> = all().map(Program::computed).collect();
        tokio::time::sleep(WATCHED).await;
        let after: Vec<_> = all().map(Program::computed).collect();
        tokio::time::sleep((AWAY - WATCHED) / 2).await;
        database.start_server().await;
        eventually("jobs should go on being done", async || {
            let asked = sqlx::query_scalar(
                "select count(*) from ringback.job_history where finished_at > pg_postmaster_start_time()",
            );
            asked.fetch_one(&database.pool).await.unwrap_or(0_i64) >= 50
        })
        .await;
        is_over.store(true, Ordering::Relaxed);
        before.into_iter().zip(after)
    };
    let (given, computed) = tokio::join!(clients, outage);
    for (process, (before, after)) in all().zip(computed) {
        if let (Some(before), Some(after)) = (before, after) {
            let time = after - before;
            assert!(time < WATCHED / 10, "{time:?}\n{}", process.output());
        }
    }
    assert!(given.iter().all(|given| given.late > 0), "{given:?}");
    balanced(&database, given.iter().map(|given| given.results).sum()).await;
    for mut process in gateways.into_iter().chain(workers) {
        assert!(process.runs(), "{}", process.output());
    }
}
