//! Sessions: what a client has missed is given to its next socket, wherever that is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringback::ids::GatewayId;
use ringback::session;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Message, Program, TestDatabase, eventually};

/// What a client keeps of its session.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) session: String,
    pub(crate) token: String,
}

impl Client {
    pub(crate) async fn ask_to_resume(&mut self, secret: Option<&Secret>) {
        let payload =
            secret.map(|secret| json!({"session": secret.session, "token": secret.token}));
        self.send(json!({"action": "resume", "payload": payload}))
            .await;
    }

    /// Resumes, and gives what it is told: the session, whether it was recovered, the states of its pending jobs.
    pub(crate) async fn resume(
        &mut self,
        secret: Option<&Secret>,
    ) -> (Secret, bool, BTreeMap<String, String>) {
        self.ask_to_resume(secret).await;
        let resumed = self.next().await;
        assert_eq!(resumed.action(), "resumed", "{resumed:?}");
        read(&resumed)
    }

    /// A new session.
    pub(crate) async fn begin(&mut self) -> Secret {
        let (secret, recovered, pending) = self.resume(None).await;
        assert!(!recovered && pending.is_empty());
        secret
    }

    /// The session that it had.
    pub(crate) async fn recover(&mut self, secret: &Secret) -> BTreeMap<String, String> {
        let (again, recovered, pending) = self.resume(Some(secret)).await;
        assert!(recovered);
        assert_eq!(
            (&again.session, &again.token),
            (&secret.session, &secret.token)
        );
        pending
    }

    pub(crate) async fn ack(&mut self, ids: &[String]) {
        self.send(json!({"action": "ack", "payload": {"ids": ids}}))
            .await;
    }

    /// The next messages, by the jobs they are about; each is a result with an id.
    pub(crate) async fn results(&mut self, count: usize) -> BTreeMap<String, String> {
        let mut ids = BTreeMap::new();
        for _ in 0..count {
            let message = self.next().await;
            assert_eq!(message.action(), "job_result", "{message:?}");
            let twice = ids.insert(message.job_id(), id(&message));
            assert_eq!(twice, None, "{message:?}");
        }
        ids
    }
}

pub(crate) fn read(resumed: &Message) -> (Secret, bool, BTreeMap<String, String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let payload = &resumed.0["payload"];
    let secret = Secret {
        session: text(&payload["session"]),
        token: text(&payload["token"]),
    };
    let pending = payload["pending"].as_array().unwrap().iter();
    let pending = pending.map(|job| (text(&job["job_id"]), text(&job["state"])));
    (
        secret,
        payload["recovered"].as_bool().unwrap(),
        pending.collect(),
    )
}

/// The id of a message that may come again.
pub(crate) fn id(message: &Message) -> String {
    message.0["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn pair(database: &TestDatabase) -> [Program; 2] {
    [
        Program::serve(database, &[]).await,
        Program::serve(database, &[]).await,
    ]
}

async fn finished(database: &TestDatabase, count: i64) {
    eventually("the jobs should be over", async || {
        database.count("ringback.job_history").await == count
    })
    .await;
}

async fn mailbox_is_empty(database: &TestDatabase) {
    eventually("what was acknowledged should be forgotten", async || {
        database.count("ringback.mailbox").await == 0
    })
    .await;
}

#[tokio::test]
async fn what_finishes_while_a_client_is_away_is_given_to_its_next_socket_on_any_gateway() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let mut jobs = BTreeSet::new();
    for content in ["a", "b", "c"] {
        jobs.insert(client.submit("default", content).await);
    }
    drop(client);
    let worker = Program::worker(&database, &[]).await;
    finished(&database, 3).await;

    let mut client = Client::connect(&gateways[1]).await;
    assert!(client.recover(&secret).await.is_empty());
    let results = client.results(3).await;
    assert_eq!(results.keys().cloned().collect::<BTreeSet<_>>(), jobs);
    client.expect_silence().await;

    // Not acknowledged, they come again, with the ids they had; acknowledged, they do not.
    let mut again = Client::connect(&gateways[0]).await;
    again.recover(&secret).await;
    assert_eq!(again.results(3).await, results);
    let ids: Vec<String> = results.values().cloned().collect();
    again.ack(&ids).await;
    mailbox_is_empty(&database).await;
    let mut last = Client::connect(&gateways[0]).await;
    last.recover(&secret).await;
    last.expect_silence().await;

    // What comes on a socket of the session is acknowledged like what was missed.
    last.submit("default", "d").await;
    let result = last.next().await;
    last.ack(&[id(&result)]).await;
    mailbox_is_empty(&database).await;
    drop(worker);
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_still_waits_for() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let job = client.submit("default", "a").await;
    drop(client);

    let mut client = Client::connect(&gateways[1]).await;
    let pending = client.recover(&secret).await;
    assert_eq!(pending, BTreeMap::from([(job.clone(), "ready".to_owned())]));
    let _worker = Program::worker(&database, &[]).await;
    let result = client.next().await;
    assert_eq!((result.job_id(), id(&result)), (job.clone(), job));
    client.expect_silence().await;
}

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
async fn what_cannot_be_resumed_is_a_new_session() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--keep-sessions", "1h"]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    client.submit("default", "a").await;
    drop(client);
    eventually("the session should be left", async || {
        database
            .count("ringback.session where gateway_id is null")
            .await
            == 1
    })
    .await;

    let stranger = |session: &str, token: &str| Secret {
        session: session.to_owned(),
        token: token.to_owned(),
    };
    for other in [
        stranger(&secret.session, "guessed"),
        stranger(&Uuid::new_v4().to_string(), &secret.token),
        stranger("no id at all", &secret.token),
    ] {
        let mut client = Client::connect(&gateway).await;
        let (fresh, recovered, pending) = client.resume(Some(&other)).await;
        assert!(!recovered && pending.is_empty(), "{other:?}");
        assert_ne!(fresh.session, secret.session);
        assert_ne!(fresh.token, secret.token);
        client.recover(&fresh).await;
    }
    database
        .execute("update ringback.session set seen_at = now() - interval '61 min' where gateway_id is null")
        .await;
    let mut client = Client::connect(&gateway).await;
    assert!(!client.resume(Some(&secret)).await.1);
}

#[tokio::test]
async fn the_database_does_not_have_the_secret() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let secret = Client::connect(&gateway).await.begin().await;
    let rows: Vec<String> = sqlx::query_scalar("select session::text from ringback.session")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(&secret.session));
    assert!(!rows[0].contains(&secret.token));
    let hex: String = secret
        .token
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(!rows[0].contains(&hex));
}

#[tokio::test]
async fn jobs_that_were_sent_on_a_socket_join_the_session_it_resumes() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    client.ask("default", "a").await;
    client.ask("default", "b").await;
    client.ask_to_resume(None).await;
    let jobs = [client.next().await.job_id(), client.next().await.job_id()];
    let (secret, _, pending) = read(&client.next().await);
    assert_eq!(
        pending.into_keys().collect::<BTreeSet<_>>(),
        BTreeSet::from(jobs.clone())
    );
    drop(client);
    let _worker = Program::worker(&database, &[]).await;
    finished(&database, 2).await;

    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    let results = client.results(2).await;
    assert_eq!(
        results.into_keys().collect::<BTreeSet<_>>(),
        BTreeSet::from(jobs)
    );
}

#[tokio::test]
async fn a_killed_gateway_costs_a_session_nothing() {
    let database = TestDatabase::new().await;
    let mut gateways = pair(&database).await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    let mut jobs = BTreeSet::new();
    for turn in 0..50 {
        jobs.insert(client.submit("default", &turn.to_string()).await);
    }
    gateways[0].kill();
    let _worker = Program::worker(&database, &[]).await;
    finished(&database, 50).await;
    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    let results = client.results(50).await;
    assert_eq!(results.into_keys().collect::<BTreeSet<_>>(), jobs);
    client.expect_silence().await;
}

#[tokio::test]
async fn a_session_gets_the_notices_that_came_while_it_was_away_once() {
    let database = TestDatabase::new().await;
    let gateways = pair(&database).await;
    let notify = async |text: &str| {
        let mut notify = Program::start(&database, &["notify", text]);
        assert!(notify.ended().await.success());
    };
    notify("before").await;
    let mut client = Client::connect(&gateways[0]).await;
    let secret = client.begin().await;
    notify("seen").await;
    let seen = client.next().await;
    assert_eq!(seen.text(), "seen");
    client.ack(&[id(&seen)]).await;
    eventually("the acknowledgement should be kept", async || {
        database.count("ringback.session where notified = 2").await == 1
    })
    .await;
    drop(client);
    notify("missed").await;
    notify("expired").await;
    database
        .execute("update ringback.notice set expires_at = now() where content = 'expired'")
        .await;

    let mut client = Client::connect(&gateways[1]).await;
    client.recover(&secret).await;
    let missed = client.next().await;
    assert_eq!(
        (missed.text(), id(&missed).as_str()),
        ("missed", "notice-3")
    );
    notify("live").await;
    let live = client.next().await;
    assert_eq!(live.text(), "live");
    client.expect_silence().await;
    client.ack(&[id(&missed), id(&live)]).await;
    eventually("the acknowledgement should be kept", async || {
        database.count("ringback.session where notified = 5").await == 1
    })
    .await;
    let mut client = Client::connect(&gateways[0]).await;
    client.recover(&secret).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_mailbox_is_bounded_and_acknowledging_makes_room() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    let mut ids = Vec::new();
    for turn in 0..1_000 {
        client.ask("default", &turn.to_string()).await;
        // Every answer and every result, so that what is refused is refused for what is unacknowledged.
        while ids.len() <= turn {
            let message = client.next().await;
            match message.action() {
                "job_queued" => {}
                "job_result" => ids.push(id(&message)),
                other => panic!("{other}"),
            }
        }
    }
    client.ask("default", "one too many").await;
    let refused = client.next().await.0;
    assert_eq!(refused["payload"][0]["type"], "busy", "{refused}");
    assert!(refused["payload"][0]["retry_after"].is_u64());
    client.ack(&ids[..1]).await;
    client.submit("default", "now there is room").await;
}

#[tokio::test]
async fn a_mailbox_larger_than_an_outbox_is_read_to_its_end() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    let large = "x".repeat(60_000);
    for _ in 0..80 {
        client.ask("default", &large).await;
        while client.next().await.action() != "job_queued" {}
    }
    finished(&database, 80).await;
    drop(client);
    let mut client = Client::connect(&gateway).await;
    client.recover(&secret).await;
    assert_eq!(client.results(80).await.len(), 80);
    client.expect_silence().await;
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

#[tokio::test]
async fn a_session_ends_its_time_after_its_last_socket_and_its_mailbox_with_it() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut stays = Client::connect(&gateway).await;
    stays.begin().await;
    let mut goes = Client::connect(&gateway).await;
    let secret = goes.begin().await;
    goes.submit("default", "a").await;
    goes.next().await;
    drop(goes);
    let left = format!(
        "ringback.session where gateway_id is null and id = '{}'",
        secret.session
    );
    eventually("the session should be left", async || {
        database.count(&left).await == 1
    })
    .await;
    database
        .execute("update ringback.session set seen_at = now() - interval '2 h'")
        .await;

    let mut link = database.database().link("test");
    let connection = link.connected().await.unwrap();
    let hour = Duration::from_secs(3_600);
    session::expire(connection, hour * 3).await.unwrap();
    assert_eq!(database.count("ringback.session").await, 2);
    session::expire(connection, hour).await.unwrap();
    assert_eq!(database.count("ringback.session").await, 1);
    assert_eq!(database.count("ringback.mailbox").await, 0);

    // One whose gateway is gone counts as left from then on.
    let gone = GatewayId(Uuid::new_v4());
    database
        .execute(&format!(
            "update ringback.session set gateway_id = '{}'",
            gone.0
        ))
        .await;
    session::expire(connection, hour).await.unwrap();
    let left = "ringback.session where gateway_id is null and seen_at > now() - interval '1 min'";
    assert_eq!(database.count(left).await, 1);
}

#[tokio::test]
async fn without_the_database_a_session_is_unavailable_and_the_socket_stays() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    database.end_server("KILL").await;
    let mut other = Client::connect(&gateway).await;
    other.ask_to_resume(Some(&secret)).await;
    let refused = other.next().await.0;
    assert_eq!(refused["payload"][0]["type"], "unavailable", "{refused}");
    assert!(refused["payload"][0]["retry_after"].is_u64());
    database.start_server().await;
    let mut recovered = false;
    eventually("the session should be back", async || {
        other.ask_to_resume(Some(&secret)).await;
        let answer = other.next().await;
        if answer.action() == "resumed" {
            recovered = read(&answer).1;
        }
        answer.action() == "resumed"
    })
    .await;
    assert!(recovered);
}
