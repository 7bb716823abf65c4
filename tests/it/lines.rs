//! Lines that go bad: between a process and Postgres, between a client and its gateway.

use std::collections::HashSet;
use std::time::Duration;

use crate::sessions::id;
use crate::support::{
    Client, Line, Message, Program, Proxy, TestDatabase, eventually, eventually_within,
};

/// Longer than a statement is waited for, several times.
const STALLED_AND_MORE: Duration = Duration::from_secs(90);

/// A gateway and a worker; the line of the one that is asked for can go bad.
struct Pair {
    database: TestDatabase,
    proxy: Proxy,
    gateway: Program,
    worker: Program,
    client: Client,
}

impl Pair {
    async fn with_gateway_behind_proxy() -> Self {
        let database = TestDatabase::new().await;
        let (proxy, url) = Proxy::before_database(&database.url).await;
        let gateway = Program::serve_at(&url, &[]).await;
        let worker = Program::worker(&database, &[]).await;
        Self::begin(database, proxy, gateway, worker).await
    }

    async fn with_worker_behind_proxy() -> Self {
        let database = TestDatabase::new().await;
        let (proxy, url) = Proxy::before_database(&database.url).await;
        let gateway = Program::serve(&database, &[]).await;
        let worker = Program::worker_at(&url, &[]).await;
        Self::begin(database, proxy, gateway, worker).await
    }

    /// With one job done, so that every statement has been prepared.
    async fn begin(
        database: TestDatabase,
        proxy: Proxy,
        gateway: Program,
        worker: Program,
    ) -> Self {
        let client = Client::connect(&gateway).await;
        let mut pair = Self {
            database,
            proxy,
            gateway,
            worker,
            client,
        };
        pair.client.begin().await;
        pair.round_trip("first").await;
        pair
    }

    async fn round_trip(&mut self, content: &str) -> Message {
        let job = self.client.submit("default", content).await;
        self.result(&job).await
    }

    async fn result(&mut self, job: &str) -> Message {
        let result = self.client.next_within(STALLED_AND_MORE).await;
        assert_eq!(
            (result.action(), result.job_id().as_str()),
            ("job_result", job)
        );
        result
    }

    async fn listeners(&self) -> i64 {
        let listeners = "pg_stat_activity where datname = current_database()
            and application_name = 'ringback listener'";
        self.database.count(listeners).await
    }

    /// Every job that was asked for is over, at its first attempt, and nothing more comes.
    async fn is_calm(&mut self, jobs: i64) {
        assert_eq!(self.database.count("ringback.job").await, 0);
        let once = "ringback.job_history where attempt = 1 and crashes = 0 and state = 'succeeded'";
        assert_eq!(self.database.count(once).await, jobs);
        self.client.expect_silence().await;
    }
}

#[tokio::test]
async fn a_gateway_whose_listener_is_half_open_polls_and_listens_again() {
    let pair = Pair::with_gateway_behind_proxy().await;
    polls_and_listens_again(pair, |pair| &pair.gateway).await;
}

#[tokio::test]
async fn a_worker_whose_listener_is_half_open_polls_and_listens_again() {
    let pair = Pair::with_worker_behind_proxy().await;
    polls_and_listens_again(pair, |pair| &pair.worker).await;
}

async fn polls_and_listens_again(mut pair: Pair, deaf: fn(&Pair) -> &Program) {
    let listeners = pair.listeners().await;
    assert_eq!(pair.proxy.turn("ringback listener", Line::Swallows), 1);
    pair.round_trip("polled").await;
    deaf(&pair).printed("listens for hints is dead").await;
    // The one that is half-open is still there for the server.
    eventually("it should listen again", async || {
        pair.listeners().await == listeners + 1
    })
    .await;
    pair.round_trip("heard").await;
    pair.is_calm(3).await;
}

#[tokio::test]
async fn a_submission_whose_connection_died_after_its_commit_is_one_job() {
    let mut pair = Pair::with_gateway_behind_proxy().await;
    for content in ["a", "b"] {
        assert_eq!(pair.proxy.turn("ringback intake", Line::CutAtAnswer), 1);
        pair.round_trip(content).await;
    }
    pair.client.ask_with_key("c", "key").await;
    let queued = pair.client.next().await;
    assert_eq!(queued.action(), "job_queued");
    pair.result(&queued.job_id()).await;
    pair.is_calm(4).await;
    // Both were cut, and tried again.
    let tries = pair.gateway.output().matches("trying again").count();
    assert_eq!(tries, 2, "{}", pair.gateway.output());
}

#[tokio::test]
async fn a_submission_whose_commit_stays_unknown_is_the_same_job_when_it_is_made_again() {
    let mut database = TestDatabase::on_its_own_server().await;
    let (proxy, url) = Proxy::before_database(&database.url).await;
    let gateway = Program::serve_at(&url, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit_with_key("first", "first").await;
    assert_eq!(proxy.turn("ringback intake", Line::LosesAnswers), 1);
    client.ask_with_key("a", "key").await;
    eventually("it should be stored", async || {
        database.count("ringback.job").await == 2
    })
    .await;
    database.end_server("QUIT").await;
    let error = client.next_within(STALLED_AND_MORE).await;
    let error = &error.0["payload"][0];
    assert_eq!(
        (&error["type"], &error["maybe"]),
        (&"unavailable".into(), &true.into())
    );
    assert!(error["retry_after"].is_u64(), "{error}");

    database.start_server().await;
    let job = client.submit_with_key("a", "key").await;
    let _worker = Program::worker_at(&url, &[]).await;
    let mut results = HashSet::new();
    for _ in 0..2 {
        let result = client.next().await;
        assert_eq!(result.action(), "job_result");
        assert!(results.insert(result.job_id()));
    }
    assert!(results.contains(&job));
    assert_eq!(database.count("ringback.job_history").await, 2);
    client.expect_silence().await;
}

#[tokio::test]
async fn an_outcome_whose_connection_died_after_its_commit_is_recorded_and_shown_once() {
    let mut pair = Pair::with_worker_behind_proxy().await;
    assert_eq!(pair.proxy.turn("ringback finisher", Line::CutAtAnswer), 1);
    pair.round_trip("a").await;
    // It was cut all the same.
    pair.worker.printed("trying again").await;
    pair.round_trip("b").await;
    pair.is_calm(3).await;
}

#[tokio::test]
async fn a_claim_whose_connection_died_after_its_commit_is_given_back_at_once() {
    let mut pair = Pair::with_worker_behind_proxy().await;
    assert_eq!(pair.proxy.turn("ringback claimer", Line::CutAtAnswer), 1);
    pair.round_trip("a").await;
    // Long before the heartbeat would have looked for it, which it does once in a minute.
    pair.worker.printed("was lost on its way").await;
    pair.round_trip("b").await;
    pair.is_calm(3).await;
}

#[tokio::test]
async fn acknowledgements_outlive_their_connection() {
    let mut pair = Pair::with_gateway_behind_proxy().await;
    for line in [Line::CutAtAnswer, Line::Cut, Line::Swallows] {
        let result = pair.round_trip("a").await;
        // Its connection is made at the first one.
        pair.proxy.turn("ringback acks", line);
        pair.client.ack(&[id(&result)]).await;
        eventually_within(STALLED_AND_MORE, "it should be forgotten", async || {
            let job = result.job_id();
            let mail = format!("ringback.mailbox where job_id = '{job}'");
            pair.database.count(&mail).await == 0
        })
        .await;
    }
    pair.is_calm(4).await;
}

#[tokio::test]
async fn when_every_line_to_postgres_is_half_open_everything_acknowledged_still_arrives() {
    // A server that waits for the rest of a password lets no database be dropped.
    let database = TestDatabase::on_its_own_server().await;
    let (proxy, url) = Proxy::before_database(&database.url).await;
    let mut gateway = Program::serve_at(&url, &[]).await;
    let mut worker = Program::worker_at(&url, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(&gateway).await;
        client.begin().await;
        for number in 0..20 {
            client.ask("default", &number.to_string()).await;
        }
        clients.push(client);
    }
    // Some are answered, some are on their way.
    let first = clients[0].next().await;
    assert_eq!(first.action(), "job_queued");
    assert!(proxy.turn("", Line::Swallows) > 5);
    let mut acknowledged = HashSet::from([first.job_id()]);
    let mut results = HashSet::new();
    let mut refused = 0;
    for client in &mut clients {
        for number in 0..20 {
            client.ask("default", &number.to_string()).await;
        }
    }
    // Round by round, so that every client's messages are read.
    eventually_within(STALLED_AND_MORE, "everything should arrive", async || {
        for client in &mut clients {
            let next = client.next_within(STALLED_AND_MORE);
            if let Ok(message) = tokio::time::timeout(Duration::from_millis(50), next).await {
                note(&message, &mut acknowledged, &mut results, &mut refused);
            }
        }
        acknowledged.len() + refused == 200 && results == acknowledged
    })
    .await;
    assert!(gateway.runs() && worker.runs());
}

fn note(
    message: &Message,
    acknowledged: &mut HashSet<String>,
    results: &mut HashSet<String>,
    refused: &mut usize,
) {
    match message.action() {
        "job_queued" => assert!(acknowledged.insert(message.job_id())),
        "job_result" => assert!(results.insert(message.job_id()), "twice: {message:?}"),
        "error" => {
            assert_eq!(
                message.0["payload"][0]["type"], "unavailable",
                "{message:?}"
            );
            *refused += 1;
        }
        _ => panic!("unexpected: {message:?}"),
    }
}

#[tokio::test]
async fn a_client_whose_line_is_half_open_comes_back_on_another_and_the_first_is_found() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--ping-every", "1s", "--ping-patience", "1s"]).await;
    let proxy = Proxy::before(&gateway.address()).await;
    let mut first = Client::connect_to(&proxy.address()).await;
    let secret = first.begin().await;
    let mut jobs = HashSet::new();
    for number in 0..10 {
        jobs.insert(first.submit("default", &number.to_string()).await);
    }
    assert_eq!(proxy.turn("", Line::Swallows), 1);
    // Nobody has said goodbye, and yet the session is left.
    eventually("the silent socket should be found", async || {
        let left = "ringback.session where gateway_id is null";
        database.count(left).await == 1
    })
    .await;
    let _worker = Program::worker(&database, &[]).await;
    let mut second = Client::connect(&gateway).await;
    second.recover(&secret).await;
    let results = second.results(10).await;
    assert_eq!(results.into_keys().collect::<HashSet<_>>(), jobs);
    second.expect_silence().await;
}
