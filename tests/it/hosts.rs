//! Many gateways and many workers on one Postgres, behind a real balancer: each a process of its own that knows nothing of
//! the others but what the database says.

mod fleet;
mod networks;
mod outages;

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use serde_json::json;

use crate::sessions::{Secret, id};
use crate::support::{Api, Client, Program, TestDatabase};
use fleet::{Balanced, GATEWAYS, WORKERS};

/// How many sockets there are, and how many go to and fro.
const SOCKETS: usize = 36;
const MOVING: usize = 18;

/// How many programs there are that use HTTP.
const PROGRAMS: usize = 12;

/// How many jobs each of them asks for.
const JOBS: usize = 5;

fn processed(content: &str) -> String {
    format!("✅ Processed: {}", content.to_uppercase())
}

/// Sockets with sessions, one after another, so that the balancer knows of each when it places the next.
async fn sockets(fleet: &Balanced, number: usize) -> Vec<(Client, Secret)> {
    let mut sockets = Vec::new();
    for _ in 0..number {
        let mut client = fleet.client().await;
        let secret = client.begin().await;
        sockets.push((client, secret));
    }
    sockets
}

/// Asks over one socket, which gets its own results, once, and nothing else.
async fn ask_over_a_socket(client: &mut Client, number: usize) {
    let mut expected = HashMap::new();
    for turn in 0..JOBS {
        let content = format!("socket {number} turn {turn}");
        let job = client
            .submit_amid_results("default", &content, &mut expected)
            .await;
        expected.insert(job, processed(&content));
    }
    client.collect(&mut expected).await;
    client.expect_silence().await;
}

/// Asks over HTTP, each time over a new connection; what is asked for again is the same job, wherever it is asked.
async fn ask_over_http(fleet: &Balanced, number: usize) {
    for turn in 0..JOBS {
        let content = format!("program {number} turn {turn}");
        let body = json!({"task_type": "default", "content": content});
        let mut jobs = HashSet::new();
        for _ in 0..3 {
            let answer = fleet.api().submit_with_key(&content, &body).await;
            assert!([200, 202].contains(&answer.status), "{answer:?}");
            jobs.insert(answer.job());
        }
        assert_eq!(jobs.len(), 1, "{content}");
        let job = jobs.into_iter().next().unwrap();
        if turn % 2 == 0 {
            let over = fleet.api().finished(&job).await;
            assert_eq!(over["result"], processed(&content), "{over:?}");
        } else {
            let events = fleet.api().events(&job, None).await.all().await;
            let ends = events.iter().filter(|event| event.name == "job_result");
            let texts: Vec<_> = ends.map(|event| event.data["payload"].clone()).collect();
            assert_eq!(texts, [json!(processed(&content))]);
        }
    }
}

/// How many of something each process has.
async fn shares(database: &TestDatabase, table: &str, process: &str) -> Vec<i64> {
    let query = format!("select count(*) from {table} group by {process}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_balancer_everyone_gets_what_is_theirs_from_any_gateway_and_worker() {
    let fleet = Balanced::new().await;
    let database = &fleet.database;
    let mut sockets = sockets(&fleet, SOCKETS).await;
    let homes = shares(database, "ringback.session", "gateway_id").await;
    assert_eq!(homes.len(), GATEWAYS);
    let fair = i64::try_from(SOCKETS / GATEWAYS).unwrap();
    assert!(homes.iter().all(|here| *here >= fair - 2), "{homes:?}");

    let numbered = sockets.iter_mut().enumerate();
    let asking = numbered.map(|(number, (client, _))| ask_over_a_socket(client, number));
    let programs = (0..PROGRAMS).map(|number| ask_over_http(&fleet, number));
    tokio::join!(join_all(asking), join_all(programs));

    let jobs = i64::try_from((SOCKETS + PROGRAMS) * JOBS).unwrap();
    assert_eq!(database.count("ringback.job").await, 0);
    let once = "ringback.job_history where state = 'succeeded' and attempt = 1";
    assert_eq!(database.count(once).await, jobs);
    let worked = shares(database, "ringback.job_history", "worker_id").await;
    assert_eq!(worked.len(), WORKERS, "{worked:?}");

    // To everyone, on whichever gateway, once.
    let notices = ["notify", "hello all", "--repeat", "3", "--interval", "0"];
    let mut notify = Program::start(database, &notices);
    assert!(notify.ended().await.success(), "{}", notify.output());
    for (client, _) in &mut sockets {
        let mut ids = HashSet::new();
        for _ in 0..3 {
            let notice = client.next().await;
            assert_eq!(notice.text(), "hello all", "{notice:?}");
            assert!(ids.insert(id(&notice)), "{notice:?}");
        }
        client.expect_silence().await;
    }

    // One key, at every gateway.
    let asked = fleet.balancer.asked().await;
    let body = json!({"task_type": "default", "content": "a"});
    let mut jobs = HashSet::new();
    for _ in 0..GATEWAYS * 3 {
        jobs.insert(fleet.api().submit_with_key("a", &body).await.job());
    }
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let asked_since = fleet.balancer.asked().await;
    let mut each = asked.iter().zip(&asked_since);
    assert!(
        each.all(|(before, after)| after > before),
        "{asked_since:?}"
    );
}

#[tokio::test]
async fn a_session_goes_on_at_another_gateway_with_nothing_lost_or_shown_twice() {
    let mut fleet = Balanced::new().await;
    let mut sockets = sockets(&fleet, MOVING).await;
    // Answered and shown before.
    for (client, _) in &mut sockets {
        let job = client.submit("default", "before").await;
        let shown = client.results(1).await;
        client.ack(&[shown[&job].clone()]).await;
        client.expect_silence().await;
    }
    fleet.database.mailboxes_are_empty().await;

    // Every gateway in turn; what its clients have asked for has not run yet.
    for gone in 0..GATEWAYS {
        fleet
            .execute("insert into ringback.queue values ('default', now())")
            .await;
        let mut jobs = Vec::new();
        for (client, _) in &mut sockets {
            jobs.push(client.submit("default", "meanwhile").await);
        }
        let before = fleet.homes().await;
        let lost = fleet.id_of(&fleet.gateways[gone], "gateway").await;
        fleet.gateways[gone].kill();
        let text = format!("without gateway {gone}");
        let mut notify = Program::start(&fleet.database, &["notify", &text]);
        assert!(notify.ended().await.success(), "{}", notify.output());
        let mut moved = 0;
        for (client, secret) in &mut sockets {
            if before[&secret.session] != Some(lost) {
                continue;
            }
            moved += 1;
            assert_eq!(client.closed().await, None);
            *client = fleet.client().await;
            let pending = client.recover(secret).await;
            assert_eq!(pending.len(), 1, "{pending:?}");
        }
        assert!(moved >= MOVING / GATEWAYS - 2, "{moved}");
        let homes = fleet.homes().await;
        assert!(
            homes
                .values()
                .all(|home| home.is_some_and(|home| home != lost))
        );

        fleet.execute("delete from ringback.queue").await;
        for ((client, _), job) in sockets.iter_mut().zip(&jobs) {
            let (mut notices, mut results) = (Vec::new(), Vec::new());
            while notices.is_empty() || results.is_empty() {
                let message = client.next().await;
                match message.action() {
                    "job_result" => results.push(message),
                    _ => notices.push(message),
                }
            }
            let [notice] = &notices[..] else {
                panic!("{notices:?}")
            };
            assert_eq!(notice.text(), text);
            let [result] = &results[..] else {
                panic!("{results:?}")
            };
            assert_eq!(&result.job_id(), job);
            client.ack(&[id(notice), id(result)]).await;
            client.expect_silence().await;
        }
        fleet.database.mailboxes_are_empty().await;
        fleet.gateways[gone] = fleet.gateway(gone).await;
        fleet.balancer.ready(GATEWAYS).await;
    }
    let jobs = i64::try_from(MOVING * (GATEWAYS + 1)).unwrap();
    assert_eq!(crate::faults::untroubled(&fleet.database).await, jobs);
}

impl Balanced {
    /// One that comes through the balancer.
    async fn client(&self) -> Client {
        Client::connect_to(&self.balancer.address).await
    }

    /// A program that comes through the balancer, and has no connection yet.
    fn api(&self) -> Api {
        Api::to(&self.balancer.address)
    }
}
