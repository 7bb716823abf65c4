//! Hints by NATS: where they go, and that nothing depends on them.

mod servers;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ringback::nats::{Nats, Servers};
use ringback::postgres::hints::{Hint, Hints};
use ringback::postgres::listener::Wake;

use crate::metrics::figures;
use crate::support::{Client, NatsServer, Program, TestDatabase, free_port};

/// As long as everybody is told of everything, a few jobs one after another take much less.
const A_FEW_POLLS: Duration = Duration::from_secs(15);

/// Writes down what goes by NOTIFY.
async fn watch_notify(database: &TestDatabase) {
    database
        .execute("create table public.notified (channel text)")
        .await;
    database
        .execute(
            "create or replace function ringback.hint(channel text, payload text) returns void language sql as
             'insert into public.notified values (channel); select pg_notify(channel, payload)'",
        )
        .await;
}

/// Submits so many jobs, each when the one before has come back; answers how long that took.
async fn one_after_another(client: &mut Client, jobs: usize) -> Duration {
    let started = Instant::now();
    for number in 0..jobs {
        let job = client.submit("count", &number.to_string()).await;
        let result = client.next().await;
        assert_eq!((result.action(), result.job_id()), ("job_result", job));
    }
    started.elapsed()
}

/// Submits jobs all at once, and waits for their results.
async fn together(client: &mut Client, jobs: usize) {
    for number in 0..jobs {
        client.ask("count", &number.to_string()).await;
    }
    let (mut queued, mut results) = (HashSet::new(), HashSet::new());
    while results.len() < jobs {
        let message = client.next().await;
        let is_first = match message.action() {
            "job_queued" => queued.insert(message.job_id()),
            "job_result" => results.insert(message.job_id()),
            _ => panic!("{message:?}"),
        };
        assert!(is_first, "{message:?}");
    }
    assert_eq!(queued, results);
}

async fn figure(gateway: &Program, name: &str) -> f64 {
    let all = figures(&gateway.address()).await;
    all.get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn hints_of_jobs_go_by_nats_and_none_by_notify() {
    let Some(nats) = NatsServer::start(&[]).await else {
        return;
    };
    let database = TestDatabase::new().await;
    let url = nats.url();
    let gateway = Program::serve(&database, &["--nats-url", &url]).await;
    let arguments = ["--nats-url", &url, "--metrics-listen", "127.0.0.1:0"];
    let worker = Program::worker(&database, &arguments).await;
    let address = worker.figures_address().await;
    nats.is_heard(1).await;
    let mut client = Client::connect(&gateway).await;
    one_after_another(&mut client, 1).await;
    watch_notify(&database).await;
    let polled = figure(&gateway, "ringback_polled_outcomes_total").await;

    let took = one_after_another(&mut client, 20).await;
    assert!(took < A_FEW_POLLS, "{took:?}");
    assert_eq!(
        figure(&gateway, "ringback_polled_outcomes_total").await,
        polled
    );
    assert_eq!(database.count("public.notified").await, 0);
    for of_one in [figures(&gateway.address()).await, figures(&address).await] {
        assert!(of_one["ringback_hints_total"] >= 20.0, "{of_one:?}");
        assert_eq!(of_one["ringback_hints_failed_total"], 0.0, "{of_one:?}");
    }

    // What is rare is heard by NOTIFY as ever.
    let mut notify = Program::start(&database, &["notify", "by NOTIFY"]);
    assert!(notify.ended().await.success());
    assert_eq!(client.next().await.text(), "by NOTIFY");
    assert_eq!(database.count("public.notified").await, 1);
}

#[tokio::test]
async fn a_nats_server_that_dies_loses_nothing_and_is_used_again_when_it_is_back() {
    let Some(mut nats) = NatsServer::start(&[]).await else {
        return;
    };
    let database = TestDatabase::new().await;
    let url = nats.url();
    let gateway = Program::serve(&database, &["--nats-url", &url]).await;
    let worker = Program::worker(&database, &["--nats-url", &url]).await;
    nats.is_heard(1).await;
    let mut client = Client::connect(&gateway).await;
    one_after_another(&mut client, 1).await;

    nats.kill();
    for program in [&gateway, &worker] {
        program.printed("the connection to NATS was lost").await;
    }
    together(&mut client, 50).await;
    assert!(figure(&gateway, "ringback_hints_failed_total").await > 0.0);

    nats.restart().await;
    nats.is_heard(1).await;
    let polled = figure(&gateway, "ringback_polled_outcomes_total").await;
    assert!(polled > 0.0);
    watch_notify(&database).await;
    let took = one_after_another(&mut client, 20).await;
    assert!(took < A_FEW_POLLS, "{took:?}");
    assert_eq!(
        figure(&gateway, "ringback_polled_outcomes_total").await,
        polled
    );
    assert_eq!(database.count("public.notified").await, 0);
    client.expect_silence().await;
}

#[tokio::test]
async fn a_nats_server_that_was_never_there_stops_nothing() {
    let database = TestDatabase::new().await;
    let url = format!("nats://127.0.0.1:{}", free_port());
    let gateway = Program::serve(&database, &["--nats-url", &url]).await;
    let worker = Program::worker(&database, &["--nats-url", &url]).await;
    for program in [&gateway, &worker] {
        let line = program.printed("NATS is away").await;
        assert!(line.contains("work is found by polling"), "{line}");
    }
    let mut client = Client::connect(&gateway).await;
    together(&mut client, 50).await;
    assert!(figure(&gateway, "ringback_hints_failed_total").await > 0.0);
    // Told while the delays grow, and then seldom.
    let told = gateway.output().matches("NATS is away").count();
    assert!(told < 20, "{told}");
}

#[tokio::test]
async fn a_fleet_of_which_only_some_have_nats_loses_nothing() {
    let Some(nats) = NatsServer::start(&[]).await else {
        return;
    };
    let url = nats.url();
    for (at_gateway, at_worker) in [(url.as_str(), ""), ("", url.as_str())] {
        let database = TestDatabase::new().await;
        let gateway = Program::serve(&database, &["--nats-url", at_gateway]).await;
        let _worker = Program::worker(&database, &["--nats-url", at_worker]).await;
        let mut client = Client::connect(&gateway).await;
        together(&mut client, 50).await;
        one_after_another(&mut client, 2).await;
        client.expect_silence().await;
    }
}

#[tokio::test]
async fn two_databases_on_one_nats_do_not_hear_each_other() {
    let Some(nats) = NatsServer::start(&[]).await else {
        return;
    };
    let url = nats.url();
    let outside = async_nats::connect(&url).await.unwrap();
    let mut all = outside.subscribe("ringback.>").await.unwrap();
    let (one, other) = (TestDatabase::new().await, TestDatabase::new().await);
    let mut gateways = Vec::new();
    let mut workers = Vec::new();
    for database in [&one, &other] {
        gateways.push(Program::serve(database, &["--nats-url", &url]).await);
        workers.push(Program::worker(database, &["--nats-url", &url]).await);
    }
    nats.is_heard(2).await;
    let identities = [&one, &other].map(|database| {
        let database = database.database();
        async move { format!("ringback.{}.", database.identity().await.unwrap()) }
    });
    let [of_one, of_other] = identities;
    let (of_one, of_other) = (of_one.await, of_other.await);
    assert_ne!(of_one, of_other);
    let heard = nats.subjects().await;
    for prefix in [&of_one, &of_other] {
        let ready = format!("{prefix}ringback_ready");
        assert!(heard.contains(&ready), "{heard:?}");
    }

    let mut client = Client::connect(&gateways[0]).await;
    one_after_another(&mut client, 5).await;
    let mut jobs = 0;
    while jobs < 10 {
        let hint = all.next().await.unwrap();
        let subject = hint.subject.as_str();
        if !subject.contains(".echo.") {
            assert!(subject.starts_with(&of_one), "{subject}");
            jobs += 1;
        }
    }
}

#[tokio::test]
async fn those_who_only_poll_hear_of_jobs_by_nats() {
    let Some(nats) = NatsServer::start(&[]).await else {
        return;
    };
    let database = TestDatabase::new().await;
    let url = nats.url();
    let arguments = ["--poll-only", "--nats-url", &url];
    let gateway = Program::serve(&database, &arguments).await;
    let _worker = Program::worker(&database, &arguments).await;
    nats.is_heard(1).await;
    let mut client = Client::connect(&gateway).await;
    let took = one_after_another(&mut client, 50).await;
    // By polling alone, a job takes a quarter of a second to be found, and its result as long.
    assert!(took < Duration::from_secs(10), "{took:?}");
    let listens = "pg_stat_activity where application_name = 'ringback listener' and datname = current_database()";
    assert_eq!(database.count(listens).await, 0);
}

#[tokio::test]
async fn hints_that_come_faster_than_they_are_read_are_made_up_for_by_a_sweep() {
    let Some(nats) = NatsServer::start(&[]).await else {
        return;
    };
    let servers: Servers = nats.url().parse().unwrap();
    let hints = Nats::start(&servers, "test").await.unwrap();
    // That the connection was made is a wake as well: those that are counted hear from then on.
    let mut first = hints.hear(&["first".to_owned()]);
    assert_eq!(first.next().await, Some(Wake::Sweep));
    let mut wakes = hints.hear(&["done".to_owned()]);
    assert_eq!(wakes.next().await, Some(Wake::Sweep));
    let hint = |number: usize| Hint {
        channel: "done".to_owned(),
        payload: number.to_string(),
    };
    hints.send(&[hint(0)]);
    let heard = Wake::Hint {
        channel: "done".to_owned(),
        payload: "0".to_owned(),
    };
    assert_eq!(wakes.next().await, Some(heard));

    let other = Nats::start(&servers, "test").await.unwrap();
    let mut of_other = other.hear(&["other".to_owned()]);
    assert_eq!(of_other.next().await, Some(Wake::Sweep));
    for batch in 0..20 {
        let many: Vec<Hint> = (0..200).map(|number| hint(batch * 200 + number)).collect();
        other.send(&many);
        other.flush().await;
    }
    let mut heard = 0;
    loop {
        match wakes.next().await.unwrap() {
            Wake::Sweep => break,
            Wake::Hint { .. } => heard += 1,
            wake @ Wake::Poll { .. } => panic!("{wake:?}"),
        }
    }
    assert!(heard < 4_000, "{heard}");
}
