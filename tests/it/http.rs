//! Jobs over HTTP: asked for, waited for, listed, ended, and everything that can be wrong with a request.

mod events;
mod limits;
mod retry;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Answer, Api, Client, Program, TestDatabase, eventually};

fn translate(content: &str) -> Value {
    json!({"task_type": "translate", "content": content})
}

#[tokio::test]
async fn a_job_is_submitted_and_its_result_waited_for() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let queued = api.post_json("/api/v1/jobs", &translate("hello")).await;
    assert_eq!(queued.status, 202, "{queued:?}");
    let path = format!("/api/v1/jobs/{}", queued.job());
    assert_eq!(queued.location.as_ref(), Some(&path));
    assert_eq!(queued.body["href"], path.as_str());
    let job = api.finished(&queued.job()).await;
    assert_eq!(job["state"], "succeeded");
    assert_eq!(job["result"], "🌍 Translated: 'hello' → 'hola'");

    let answer = api
        .post_json("/api/v1/jobs?wait=30", &translate("world"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["result"], "🌍 Translated: 'world' → 'mundo'");
    assert_eq!(
        answer.location.unwrap(),
        format!("/api/v1/jobs/{}", answer.body["id"].as_str().unwrap())
    );
    let input = json!({"task_type": "analyze", "input": "as JSON", "max_attempts": 1});
    let answer = api.post_json("/api/v1/jobs?wait=30", &input).await;
    assert_eq!(answer.body["input"], input["input"]);
    let attempts = api.get(&format!("{path}/attempts")).await.body;
    assert_eq!(attempts["attempts"][0]["outcome"], "succeeded");
    assert_eq!(attempts["attempts"][0]["attempt"], 1);
}

#[tokio::test]
async fn a_wait_ends_with_the_job_or_with_its_time() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let began = Instant::now();
    let answer = api
        .post_json("/api/v1/jobs?wait=0.5", &translate("hello"))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(began.elapsed() >= Duration::from_millis(500));
    let path = format!("/api/v1/jobs/{}?wait=0.2", answer.job());
    assert_eq!(api.get(&path).await.body["state"], "ready");

    // Many wait for it, on two gateways, and it was a socket of the first one that asked.
    let other = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("translate", "hello").await;
    let mut waits = JoinSet::new();
    for gateway in [&gateway, &other] {
        for _ in 0..50 {
            let (api, job) = (Api::of(gateway), job.clone());
            waits.spawn(async move { api.finished(&job).await });
        }
    }
    eventually("they should all wait", async || {
        database
            .count("pg_stat_activity where datname = current_database() and application_name = 'ringback watch'")
            .await
            == 2
    })
    .await;
    let _worker = Program::worker(&database, &[]).await;
    while let Some(job) = waits.join_next().await {
        assert_eq!(job.unwrap()["result"], "🌍 Translated: 'hello' → 'hola'");
    }
    // Whoever waits does not turn it away from who asked.
    assert_eq!(
        client.next().await.text(),
        "🌍 Translated: 'hello' → 'hola'"
    );
    client.expect_silence().await;
}

#[tokio::test]
async fn a_key_makes_a_submission_one_job() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let mut ids = Vec::new();
    for key in ["k", "\"k\""] {
        ids.push(api.submit_with_key(key, &translate("a")).await.job());
    }
    let in_the_body = json!({"task_type": "translate", "content": "a", "idempotency_key": "k"});
    ids.push(api.submit_as(&in_the_body).await);
    ids.push(api.submit_with_key("k", &in_the_body).await.job());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(database.count("ringback.job").await, 1);

    api.submit_with_key("k", &translate("b"))
        .await
        .is_error(422, "conflict");
    api.submit_with_key("other", &in_the_body)
        .await
        .is_error(422, "value_error");
    api.submit_with_key("", &translate("a"))
        .await
        .is_error(422, "string_type");
    api.submit_with_key(&"k".repeat(256), &translate("a"))
        .await
        .is_error(422, "too_large");
    let many = api
        .client
        .post(api.url("/api/v1/jobs/batch"))
        .header("Idempotency-Key", "k");
    Answer::of(many.json(&json!({"jobs": [translate("a")]})))
        .await
        .is_error(422, "value_error");

    // Somebody's transaction that is under way has used it.
    let mut under_way = database.pool.begin().await.unwrap();
    sqlx::query(
        "select ringback.enqueue('translate', content => 'c', idempotency_key => 'under way')",
    )
    .execute(&mut *under_way)
    .await
    .unwrap();
    let busy = api.submit_with_key("under way", &translate("c")).await;
    busy.is_error(409, "busy");
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    under_way.commit().await.unwrap();
    let answer = api.submit_with_key("under way", &translate("c")).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(database.count("ringback.job").await, 2);
}

#[tokio::test]
async fn many_jobs_are_stored_together_or_not_at_all() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let answer = api
        .post_json(
            "/api/v1/jobs/batch",
            &json!({"jobs": [translate("a"), translate("b")]}),
        )
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for (id, content) in answer.body["job_ids"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["a", "b"])
    {
        assert_eq!(api.job(id.as_str().unwrap()).await["input"], content);
    }
    let wrong = json!({"jobs": [translate("c"), {"task_type": "translate"}]});
    let refused = api.post_json("/api/v1/jobs/batch", &wrong).await;
    refused.is_error(422, "missing");
    assert_eq!(
        refused.body["errors"][0]["loc"],
        json!(["body", "jobs", "1", "content"])
    );
    assert_eq!(database.count("ringback.job").await, 2);
}

#[tokio::test]
async fn jobs_are_listed_page_by_page_and_none_is_left_out_however_large_they_are() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &["--max-frame", "1000000"]).await;
    let api = Api::of(&gateway);
    let mut ids = Vec::new();
    for number in 0..7 {
        // More than what one page takes, together.
        let content = number.to_string().repeat(400_000);
        ids.push(api.submit("translate", &content).await);
    }
    ids.reverse();
    for id in &ids {
        api.finished(id).await;
    }
    let mut found: Vec<String> = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let page = api
            .get(&format!(
                "/api/v1/jobs?limit=5&task=translate&state=succeeded{cursor}"
            ))
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        let jobs = page.body["jobs"].as_array().unwrap();
        assert!(!jobs.is_empty());
        found.extend(
            jobs.iter()
                .map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ids);
    assert_eq!(pages, 4);

    let later = api
        .submit_as(&json!({"task_type": "analyze", "content": "", "delay": 3600}))
        .await;
    let queued = api.job(&later).await["queued_at"]
        .as_str()
        .unwrap()
        .to_owned();
    for (query, expected) in [
        ("state=scheduled&state=running", vec![&later]),
        ("task=analyze", vec![&later]),
        ("task=nothing", vec![]),
        ("queue=other", vec![]),
        ("owner=anonymous&limit=1", vec![&later]),
        ("owner=ann", vec![]),
        (&format!("since={queued}"), vec![&later]),
        (&format!("since={queued}&until={queued}"), vec![]),
        ("until=2026-01-01T00:00:00Z", vec![]),
        ("unknown=parameter&limit=1", vec![&later]),
    ] {
        let page = api.get(&format!("/api/v1/jobs?{query}")).await.body;
        let jobs = page["jobs"].as_array().unwrap().iter();
        let found: Vec<&str> = jobs.map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_whether_it_waits_or_runs() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let waits = api.submit("translate", "hello").await;
    let cancelled = api.post(&format!("/api/v1/jobs/{waits}/cancel")).await;
    assert_eq!((cancelled.status, cancelled.job()), (200, waits.clone()));
    assert_eq!(api.job(&waits).await["state"], "cancelled");
    api.post(&format!("/api/v1/jobs/{waits}/cancel"))
        .await
        .is_error(409, "conflict");

    let _worker = Program::start(&database, &["worker", "--delay-scale", "1000"]);
    let runs = api.submit("translate", "hello").await;
    eventually("it should run", async || {
        api.job(&runs).await["state"] == "running"
    })
    .await;
    let asked = api.post(&format!("/api/v1/jobs/{runs}/cancel")).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    assert_eq!(api.finished(&runs).await["state"], "cancelled");
}

#[tokio::test]
async fn notices_reach_everyone_and_queues_are_paused() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let mut client = Client::connect(&gateway).await;
    client.expect_silence().await;
    let sent = api
        .post_json(
            "/api/v1/notices",
            &json!({"content": "hello all", "ttl": 5}),
        )
        .await;
    assert_eq!(
        (sent.status, &sent.body["gateways"]),
        (202, &json!(1)),
        "{sent:?}"
    );
    let notice = client.next().await;
    assert_eq!(
        (notice.action(), notice.text()),
        ("system_notification", "hello all")
    );
    assert_eq!(notice.0["id"], sent.body["id"]);

    let paused = api.post("/api/v1/queues/default/pause").await;
    assert_eq!(
        (paused.status, paused.body),
        (200, json!({"name": "default", "paused": true}))
    );
    let _worker = Program::worker(&database, &[]).await;
    eventually("the worker should be known", async || {
        api.get("/api/v1/stats").await.body["workers"] == 1
    })
    .await;
    let job = api.submit("translate", "hello").await;
    let queues = api.get("/api/v1/queues").await.body;
    let expected = json!({"name": "default", "paused": true, "ready": 1, "scheduled": 0, "held": 0, "running": 0});
    assert_eq!(queues["queues"], json!([expected]));
    let stats = api.get("/api/v1/stats").await.body;
    assert_eq!(
        (
            &stats["live"]["ready"],
            &stats["workers"],
            &stats["gateways"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    assert!(stats["live"]["oldest_wait"].as_f64().unwrap() > 0.0);
    let resumed = api.post("/api/v1/queues/default/resume").await;
    assert_eq!(resumed.body, json!({"name": "default", "paused": false}));
    assert_eq!(api.finished(&job).await["state"], "succeeded");
    let stats = api.get("/api/v1/stats").await.body;
    assert_eq!(
        (&stats["tasks"][0]["task"], &stats["tasks"][0]["finished"]),
        (&json!("translate"), &json!(1))
    );
}

#[tokio::test]
async fn while_the_database_is_away_requests_are_told_so_and_submissions_wait_for_it() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api.submit("translate", "hello").await;
    // Whoever waits already goes on waiting.
    let mut waiting = JoinSet::new();
    waiting.spawn({
        let (api, job) = (Api::of(&gateway), job.clone());
        async move { api.finished(&job).await }
    });
    eventually("it should wait", async || {
        let looks = "pg_stat_activity where application_name = 'ringback watch' and state = 'idle'
            and query like '%job_event%'";
        database.count(looks).await == 1
    })
    .await;
    database.end_server("INT").await;
    let away = api.get(&format!("/api/v1/jobs/{job}")).await;
    away.is_error(503, "unavailable");
    assert_eq!(away.retry_after.as_deref(), Some("5"));
    api.get("/api/v1/stats").await.is_error(503, "unavailable");
    let mut submitting = JoinSet::new();
    submitting.spawn({
        let api = Api::of(&gateway);
        async move { api.submit("translate", "world").await }
    });
    database.start_server().await;
    let later = submitting.join_next().await.unwrap().unwrap();
    let _worker = Program::worker(&database, &[]).await;
    let waited = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(waited["result"], "🌍 Translated: 'hello' → 'hola'");
    for (job, content) in [(job, "hello"), (later, "world")] {
        eventually("the gateway should find the database", async || {
            api.get(&format!("/api/v1/jobs/{job}")).await.body["input"] == content
        })
        .await;
    }
}

#[tokio::test]
async fn a_gateway_that_stops_ends_what_waits() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api.submit("translate", "hello").await;
    let mut events = api.events(&job, None).await;
    let mut waiting = JoinSet::new();
    waiting.spawn({
        let (api, job) = (Api::of(&gateway), job.clone());
        async move { api.get(&format!("/api/v1/jobs/{job}?wait=60")).await }
    });
    eventually("it should wait", async || {
        database
            .count("pg_stat_activity where datname = current_database() and application_name = 'ringback watch'")
            .await
            == 1
    })
    .await;
    gateway.signal("TERM");
    let answer = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(answer.body["state"], "ready");
    assert_eq!(events.next().await, None);
    assert!(gateway.ended().await.success());
}
