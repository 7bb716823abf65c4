//! What is wrong with gateways and workers: jobs that nobody takes, silence, delay; and the connections that they need.

use super::Report;
use crate::support::{Api, Client, Program, TestDatabase, eventually};

#[tokio::test]
async fn jobs_that_nobody_takes_are_told_of() {
    let database = TestDatabase::new().await;
    database.knows("shout").await;
    database
        .execute("select ringback.enqueue('shout', 'hello')")
        .await;
    let found = async |status: &str, words: &str| {
        let report = Report::of(&database).await;
        let (as_it_is, found, _) = report.one("queues");
        assert_eq!(as_it_is, status, "{found}");
        assert!(found.contains(words), "{found}");
    };
    found(
        "problem",
        "no living worker takes shout from the queue default: 1 ready job",
    )
    .await;
    // Of the same queue, but without the task.
    let worker = "insert into ringback.worker (id, host, pid, version, queues, concurrency, tasks)
        values (gen_random_uuid(), 'a', 1, '1', '{default}', 1, '{whisper}')";
    database.execute(worker).await;
    found("problem", "no living worker").await;
    database
        .execute("update ringback.worker set tasks = null, beat_at = clock_timestamp()")
        .await;
    found("ok", "1 ready job, and workers for all").await;
    database
        .execute("update ringback.job set run_at = now() - interval '1 h', created_at = run_at - interval '1 h'")
        .await;
    database
        .execute("update ringback.worker set beat_at = clock_timestamp()")
        .await;
    found("warning", "the oldest for 60 min, for 1 worker").await;
    database.execute("select ringback.pause('default')").await;
    found("warning", "the queue default has been paused").await;
}

#[tokio::test]
async fn who_has_fallen_silent_and_what_is_late_are_told_of() {
    let database = TestDatabase::new().await;
    let report = Report::of(&database).await;
    for check in ["fleet", "circuits", "due"] {
        report.is_ok(check);
    }
    database.knows("shout").await;
    database
        .execute(
            "insert into ringback.worker (id, host, pid, version, queues, concurrency, beat_at, circuits) values
             (gen_random_uuid(), 'silent', 7, '1', '{}', 1, now() - interval '40 s', '[]'),
             (gen_random_uuid(), 'early', 8, '1', '{}', 1, now() + interval '1 min', '[]'),
             (gen_random_uuid(), 'alive', 9, '1', '{}', 1, now(), jsonb_build_array(jsonb_build_object(
                 'task', 'shout', 'failures', 5, 'until', now() + interval '10 min'))),
             (gen_random_uuid(), 'left', 10, '1', '{}', 1, '-infinity', '[]')",
        )
        .await;
    database
        .execute("select ringback.enqueue('shout', 'later', run_at => now() + interval '1 h')")
        .await;
    database
        .execute("update ringback.job set run_at = now() - interval '5 min'")
        .await;
    let report = Report::of(&database).await;
    let fleet = report.all("fleet");
    let of = |host: &str| fleet.iter().find(|(_, found, _)| found.contains(host));
    assert_eq!(
        of("7 on silent has been silent for 4").unwrap().0,
        "warning"
    );
    assert_eq!(of("8 on early").unwrap().0, "problem");
    assert_eq!(fleet.len(), 2, "{fleet:?}");
    let (status, found, _) = report.one("circuits");
    assert_eq!(status, "warning");
    assert!(
        found.contains("9 on alive has paused shout after 5 failures"),
        "{found}"
    );
    let (status, found, _) = report.one("due");
    assert_eq!(status, "problem");
    assert!(
        found.contains("scheduled jobs that are not ready: 1, for 5 min"),
        "{found}"
    );
}

/// The connections that a gateway and a worker have beside their pools. One that is not here is not counted in
/// `src/queue/doctor/connections.rs` either: count it in both.
const COUNTED: [&str; 15] = [
    "acks",
    "claimer",
    "expiry",
    "feed",
    "finisher",
    "health",
    "heartbeat",
    "housekeeping",
    "intake",
    "keeper",
    "listener",
    "relay",
    "sweeper",
    "waiting",
    "watch",
];

#[tokio::test]
async fn what_a_fleet_may_open_is_counted_as_it_is() {
    use ringback::queue::doctor::connections::{OF_A_GATEWAY, OF_A_PROCESS, OF_A_WORKER};

    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.begin().await;
    let api = Api::of(&gateway);
    api.submit("translate", "over HTTP").await;
    client.submit("translate", "hello").await;
    assert_eq!(client.next().await.action(), "job_result");
    assert_eq!(api.get("/readyz").await.status, 200);
    let report = Report::of(&database).await;
    let most = 2 * OF_A_PROCESS + OF_A_GATEWAY + OF_A_WORKER;
    let found = report.one("connections").1;
    assert!(found.contains(&format!("opens up to {most},")), "{found}");
    eventually("they should have what they have", async || {
        let names: Vec<String> = sqlx::query_scalar(
            "select substr(application_name, 10) from pg_stat_activity
             where datname = current_database() and application_name like 'ringback%'",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap();
        let beside = names
            .iter()
            .filter(|name| !["", "browsing", "migrate"].contains(&name.as_str()));
        let beside: Vec<&String> = beside.collect();
        for name in &beside {
            assert!(COUNTED.contains(&name.as_str()), "{name} is not counted");
        }
        assert!(beside.len() <= usize::try_from(OF_A_GATEWAY + OF_A_WORKER + 6).unwrap());
        beside.len() >= 10
    })
    .await;
}
