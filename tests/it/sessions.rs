//! Sessions: whoever has the secret of one resumes it, nobody else does, and it ends some time after its last socket.

mod missed;
mod moves;

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
    let hour = Duration::from_secs(3_600);
    session::expire(&mut link, hour * 3).await.unwrap();
    assert_eq!(database.count("ringback.session").await, 2);
    session::expire(&mut link, hour).await.unwrap();
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
    session::expire(&mut link, hour).await.unwrap();
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
