//! The balancer with the configuration that is deployed, in front of real gateways; its names and ports are those that
//! are free here.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{default_of, read, root, time};
use crate::support::{Api, Balancer, Client, Program, TestDatabase, haproxy};

const SCOPES: &str = "jobs:submit jobs:read admin";

/// A balancer in front of two gateways.
struct World {
    database: TestDatabase,
    balancer: Balancer,
}

impl World {
    async fn new() -> Self {
        Self {
            database: TestDatabase::new().await,
            balancer: Balancer::new(2).await,
        }
    }

    async fn gateway(&self, which: usize, more: &[&str]) -> Program {
        self.balancer.gateway(which, &self.database.url, more).await
    }

    fn token(&self) -> String {
        self.balancer.issuer.token("alice", SCOPES)
    }

    fn api(&self) -> Api {
        Api::at(&self.balancer.address, &self.token())
    }

    /// One that comes from this address; or the status of the answer.
    async fn client_from(&self, address: Ipv4Addr) -> Result<Client, u16> {
        let token = format!("Bearer {}", self.token());
        Client::open_from(
            address,
            &self.balancer.address,
            &[("authorization", &token)],
        )
        .await
    }

    async fn client(&self) -> Client {
        let client = self.client_from(Ipv4Addr::LOCALHOST).await;
        client.expect("the socket should open")
    }
}

#[test]
fn haproxy_finds_no_fault_with_its_configuration() {
    let output = haproxy()
        .args(["-c", "-f", "deploy/haproxy.cfg"])
        .current_dir(root())
        .output()
        .expect("HAProxy should be there: run script/bootstrap --tests");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("WARNING"), "{said}");
}

#[test]
fn the_balancer_is_as_patient_as_what_is_behind_it() {
    let configuration = read("deploy/haproxy.cfg");
    let patience = |what: &str| {
        let mut words = configuration.lines().map(str::split_whitespace);
        let found = words.find_map(|mut words| {
            let is_it = words.next() == Some("timeout") && words.next() == Some(what);
            words.next().filter(|_| is_it)
        });
        time(found.unwrap_or_else(|| panic!("timeout {what}")))
    };
    let silence = time(&default_of("RINGBACK_PING_EVERY"));
    let socket = silence + time(&default_of("RINGBACK_PING_PATIENCE"));
    assert!(patience("tunnel") > socket);
    // The longest that a request may wait for its job.
    let wait = Duration::from_secs(60);
    assert!(patience("server") > wait && patience("client") > wait);
    for sticky in ["cookie", "stick", "balance source", "balance hdr"] {
        assert!(
            !configuration.contains(&format!("\n    {sticky}")),
            "{sticky}"
        );
    }
}

#[tokio::test]
async fn a_client_whose_gateway_is_killed_comes_back_through_the_balancer_and_gets_what_it_missed()
{
    let world = World::new().await;
    let mut gateways = [world.gateway(0, &[]).await, world.gateway(1, &[]).await];
    world.balancer.ready(2).await;
    let mut worker = Program::worker(&world.database, &[]).await;

    // A job and its result, from each of two sockets.
    let mut clients = [world.client().await, world.client().await];
    let mut secrets = Vec::new();
    for client in &mut clients {
        secrets.push(client.begin().await);
        let job = client.submit("default", "there and back").await;
        let results = client.results(1).await;
        client.ack(&[results[&job].clone()]).await;
        client.expect_silence().await;
    }
    // A gateway gathers them for a moment before it writes them: one that is killed may not have done so yet.
    world.database.mailboxes_are_empty().await;

    // Another, for which there is no worker yet.
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    let mut jobs = Vec::new();
    for client in &mut clients {
        jobs.push(client.submit("default", "to be missed").await);
    }

    // The balancer has given each gateway one of them, so one of them has lost its own.
    gateways[0].kill();
    let [first, second] = &mut clients;
    let lost = tokio::select! {
        _ = first.closed() => 0,
        _ = second.closed() => 1,
    };
    let kept = 1 - lost;
    clients[kept].expect_silence().await;
    // At once: that the gateway is gone has not been noticed yet.
    let mut again = world.client().await;
    let pending = again.recover(&secrets[lost]).await;
    assert_eq!(pending.keys().collect::<Vec<_>>(), [&jobs[lost]]);
    let _worker = Program::worker(&world.database, &[]).await;
    let results = again.results(1).await;
    assert!(results.contains_key(&jobs[lost]), "{results:?}");
    let results = clients[kept].results(1).await;
    clients[kept].ack(&[results[&jobs[kept]].clone()]).await;
    clients[kept].expect_silence().await;

    // The gateways are replaced one by one: what there is of service never ends.
    gateways[0] = world.gateway(0, &[]).await;
    world.balancer.ready(2).await;
    gateways[1].signal("TERM");
    assert!(gateways[1].ended().await.success());
    let mut back = world.client().await;
    back.recover(&secrets[kept]).await;
    let job = back.submit("default", "still here").await;
    assert!(back.results(1).await.contains_key(&job));
}

#[tokio::test]
async fn what_no_gateway_can_answer_is_answered_by_the_balancer_as_a_gateway_would() {
    let world = World::new().await;
    let answer = world.api().get("/api/v1/me").await;
    answer.is_problem(503, "about:blank");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    let _gateway = world.gateway(1, &[]).await;
    world.balancer.ready(1).await;
    let answer = world.api().get("/api/v1/me").await;
    assert_eq!(answer.body["subject"], "alice", "{answer:?}");
}

#[tokio::test]
async fn a_gateway_is_told_for_whom_the_balancer_speaks_and_events_come_as_they_happen() {
    let world = World::new().await;
    let own = [
        "--trusted-proxies",
        "127.0.0.1",
        "--max-connections-per-address",
        "1",
    ];
    let _gateway = world.gateway(0, &own).await;
    world.balancer.ready(1).await;
    let from = |address: [u8; 4]| world.client_from(address.into());
    let first = from([127, 0, 0, 5]).await;
    assert!(first.is_ok());
    assert_eq!(from([127, 0, 0, 5]).await.err(), Some(429));
    assert!(from([127, 0, 0, 6]).await.is_ok());

    // Once a second, while the answer goes on for ever.
    let api = world.api();
    let mut events = api.follow("/api/v1/overview/events").await;
    for _ in 0..3 {
        let event = events.next().await.expect("an event should come");
        assert_eq!(event.name, "overview");
    }
}
