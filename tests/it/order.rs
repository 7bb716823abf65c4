//! What may come in an order that nobody wished for: hints before commits, claims that were never written down, and, in
//! `moves`, commits amid resumes and owners that wake up late.

mod moves;

use std::time::Duration;

use ringback::ids::{ClaimId, JobId};
use ringback::postgres::hints::Hinting;
use ringback::queue::finish::finish;
use ringback::queue::{Ended, Ending, Try};
use serde_json::json;
use uuid::Uuid;

use crate::faults::running;
use crate::idempotency::claimed;
use crate::support::{Client, Program, TestDatabase, eventually};

/// How often a claim is tried to be lost before its commit was written.
const TRIES: usize = 20;

const FIRST_TIME: Try = Try {
    again: false,
    hints: Hinting::Notify,
};

/// Claims a job by hand; gives the outcome that it will have.
async fn taken(database: &TestDatabase, job: &str) -> Ended {
    let ended = Ended {
        id: JobId(Uuid::parse_str(job).unwrap()),
        claim_id: ClaimId(Uuid::new_v4()),
        ending: Ending::succeeded(json!("done")),
    };
    claimed(database, ended.id, ended.claim_id).await;
    ended
}

async fn gateway_id(database: &TestDatabase, gateway: &Program) -> Uuid {
    sqlx::query_scalar("select id from ringback.gateway where listen = $1")
        .bind(gateway.address())
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

async fn result(client: &mut Client, job: &str) {
    let message = client.next().await;
    assert_eq!(
        (message.action(), message.job_id().as_str()),
        ("job_result", job)
    );
}

/// A gateway that hears of jobs only what the test tells it.
struct Deaf {
    database: TestDatabase,
    gateway: Program,
    id: Uuid,
    witness: Client,
}

impl Deaf {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let gateway = Program::serve(&database, &[]).await;
        database
            .execute(
                "create or replace function ringback.hint(channel text, payload text) returns void
                 language sql volatile as $$ select $$",
            )
            .await;
        Self {
            id: gateway_id(&database, &gateway).await,
            witness: Client::connect(&gateway).await,
            database,
            gateway,
        }
    }

    /// Hints at these jobs, and waits until the gateway has looked at them.
    async fn hint(&mut self, jobs: &[String]) {
        // What is hinted at afterwards is not looked at before.
        let last = self.witness.submit("default", "").await;
        let ended = [taken(&self.database, &last).await];
        let mut connection = self.database.pool.acquire().await.unwrap();
        finish(&mut connection, &ended, FIRST_TIME).await.unwrap();
        for job in jobs.iter().chain([&last]) {
            let hint = format!(
                "select pg_notify('ringback_done_{}', '{job}')",
                self.id.simple()
            );
            self.database.execute(&hint).await;
        }
        result(&mut self.witness, &last).await;
    }
}

#[tokio::test]
async fn a_hint_that_comes_before_its_commit_costs_only_time() {
    let mut deaf = Deaf::new().await;
    let mut plain = Client::connect(&deaf.gateway).await;
    let mut kept = Client::connect(&deaf.gateway).await;
    kept.begin().await;
    let jobs = [
        plain.submit("default", "a").await,
        kept.submit("default", "b").await,
    ];
    let ended = [
        taken(&deaf.database, &jobs[0]).await,
        taken(&deaf.database, &jobs[1]).await,
    ];
    // They run.
    deaf.hint(&jobs).await;
    plain.expect_silence().await;
    kept.expect_silence().await;

    // They are over, and nobody can see it yet.
    let mut finishing = deaf.database.pool.begin().await.unwrap();
    finish(&mut finishing, &ended, FIRST_TIME).await.unwrap();
    deaf.hint(&jobs).await;
    plain.expect_silence().await;
    kept.expect_silence().await;
    finishing.commit().await.unwrap();

    // No hint comes any more.
    result(&mut plain, &jobs[0]).await;
    result(&mut kept, &jobs[1]).await;
    // Or many come.
    deaf.hint(&jobs).await;
    deaf.hint(&jobs).await;
    plain.expect_silence().await;
    kept.expect_silence().await;
}

#[tokio::test]
async fn a_claim_that_was_lost_with_the_server_gives_one_result() {
    let mut database = TestDatabase::on_its_own_server().await;
    // A claim is committed without waiting for the disk; so it stays in memory for a while.
    database
        .execute("alter system set wal_writer_delay = '10s'")
        .await;
    database.execute("select pg_reload_conf()").await;
    let worker = Program::start(&database, &["worker", "--delay-scale", "2"]);
    worker.printed("working").await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries <= TRIES, "every claim was written");
        let job = client.submit("default", "a").await;
        running(&database, 1).await;
        worker.signal("STOP");
        database.end_server("KILL").await;
        database.start_server().await;
        let is_lost = is_ready(&database, &job).await;
        // Until its time is over, so that it has its outcome at once.
        tokio::time::sleep(Duration::from_secs(3)).await;
        worker.signal("CONT");
        result(&mut client, &job).await;
        // Whatever the worker still does under the lost claim is done when it has done something else.
        let last = client.submit("default", "last").await;
        result(&mut client, &last).await;
        client.expect_silence().await;
        if is_lost {
            let again = format!(
                "ringback.job_history where id = '{job}' and state = 'succeeded' and attempt = 1 and crashes = 0
                    and failures = 0 and started_at > pg_postmaster_start_time()"
            );
            assert_eq!(database.count(&again).await, 1, "{}", worker.output());
            break;
        }
    }
    assert_eq!(database.count("ringback.job").await, 0);
    assert_eq!(database.count("ringback.job_attempt").await, 0);
}

/// Whether the job is back in its queue; asked until the server answers.
async fn is_ready(database: &TestDatabase, job: &str) -> bool {
    let mut state: Option<String> = None;
    eventually("the server should answer", async || {
        let asked = sqlx::query_scalar("select state from ringback.job where id::text = $1");
        state = asked.bind(job).fetch_one(&database.pool).await.ok();
        state.is_some()
    })
    .await;
    state.as_deref() == Some("ready")
}
