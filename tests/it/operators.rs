//! What operators do is recorded: who, what, on what.

use ringback::auth::Algorithm;
use serde_json::json;

use crate::support::{Api, Issuer, Program, TestDatabase};

impl TestDatabase {
    /// What was recorded, in its order.
    async fn deeds(&self) -> Vec<(String, String, Vec<String>)> {
        sqlx::query_as(
            "select kind || ' ' || who, what, on_what from ringback.operator_log order by id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

fn deed(who: &str, what: &str, on_what: &str) -> (String, String, Vec<String>) {
    (who.to_owned(), what.to_owned(), vec![on_what.to_owned()])
}

#[tokio::test]
async fn what_an_operator_does_is_recorded_and_what_somebody_does_with_their_own_is_not() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let scopes = "jobs:submit jobs:read notices:send";
    let alice = Api::with_token(&gateway, &issuer.token("alice", scopes));
    let eve = Api::with_token(&gateway, &issuer.token("eve", "admin"));
    let job = alice.submit("default", "a").await;
    let other = alice.submit("default", "b").await;

    alice.post(&format!("/api/v1/jobs/{other}/cancel")).await;
    assert_eq!(database.deeds().await, []);
    // Nor is what is refused.
    alice
        .post("/api/v1/queues/default/pause")
        .await
        .is_error(403, "forbidden");
    eve.post_json("/api/v1/jobs/cancel", &json!({"ids": []}))
        .await;
    assert_eq!(database.deeds().await, []);

    eve.post(&format!("/api/v1/jobs/{job}/cancel")).await;
    eve.post_json("/api/v1/jobs/retry", &json!({"ids": [job]}))
        .await;
    eve.post("/api/v1/queues/default/pause").await;
    eve.post("/api/v1/queues/default/resume").await;
    alice
        .post_json("/api/v1/notices", &json!({"content": "to everyone"}))
        .await;
    let expected = [
        deed("subject eve", "cancel_jobs", &job),
        deed("subject eve", "retry_jobs", &job),
        deed("subject eve", "pause_queue", "default"),
        deed("subject eve", "resume_queue", "default"),
        deed("subject alice", "send_notice", "to everyone"),
    ];
    assert_eq!(database.deeds().await, expected);
}

#[tokio::test]
async fn what_is_done_on_the_command_line_is_recorded_by_its_role() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let job = Api::of(&gateway).submit("default", "a").await;
    let verbs = [
        (&["jobs", "cancel", &job][..], "cancel_jobs", job.as_str()),
        (&["jobs", "retry", &job], "retry_jobs", &job),
        (&["queues", "pause", "default"], "pause_queue", "default"),
        (&["queues", "resume", "default"], "resume_queue", "default"),
        (&["notify", "hello"], "send_notice", "hello"),
        (
            &[
                "recurring",
                "set",
                "nightly",
                "0 3 * * *",
                "default",
                "hello",
            ],
            "set_recurring",
            "nightly",
        ),
        (
            &["recurring", "remove", "nightly"],
            "remove_recurring",
            "nightly",
        ),
    ];
    let role: String = sqlx::query_scalar("select 'role ' || session_user")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    for (arguments, what, on_what) in verbs {
        let mut verb = Program::start(&database, arguments);
        assert!(
            verb.ended().await.success(),
            "{arguments:?}: {}",
            verb.output()
        );
        let deeds = database.deeds().await;
        assert_eq!(deeds.last(), Some(&deed(&role, what, on_what)));
    }
    // Where it cannot be recorded, it is not done.
    database
        .execute("alter table ringback.operator_log rename to no_log")
        .await;
    let mut pause = Program::start(&database, &["queues", "pause", "default"]);
    assert!(!pause.ended().await.success());
    assert!(
        pause.output().contains("nothing was done"),
        "{}",
        pause.output()
    );
    let answer = Api::of(&gateway).post("/api/v1/queues/default/pause").await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(
        database
            .count("ringback.queue where paused_at is not null")
            .await,
        0
    );
}
