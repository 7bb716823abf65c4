//! Requests that cannot be granted: each is told what is wrong, as problem details.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::translate;
use crate::support::{Answer, Api, Program, TestDatabase, eventually};

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_nothing_is_stored() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-frame", "2000"]).await;
    let api = Api::of(&gateway);
    let url = api.url("/api/v1/jobs");
    let post = |kind: &str, body: &str| {
        let request = api.client.post(&url).header("content-type", kind);
        Answer::of(request.body(body.to_owned()))
    };
    let json = "application/json";
    post(json, "{").await.is_error(400, "json_invalid");
    post(json, "\"\\ud800\"")
        .await
        .is_error(400, "json_invalid");
    post(json, "[]").await.is_error(422, "model_type");
    post(json, r#"{"task_type": "a", "content": "\u0000"}"#)
        .await
        .is_error(422, "string_type");
    post(json, r#"{"task_type": "a", "content": "b", "delay": -1}"#)
        .await
        .is_error(422, "greater_than_equal");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ] {
        post(kind, r#"{"task_type": "a", "content": ""}"#)
            .await
            .is_problem(415, "about:blank");
    }
    let large = translate(&"x".repeat(2_000)).to_string();
    post(json, &large).await.is_problem(413, "about:blank");
    let in_pieces = "application/json; charset=utf-8";
    let within = translate(&"x".repeat(1_900)).to_string();
    assert_eq!(post(in_pieces, &within).await.status, 202);
    assert_eq!(database.count("ringback.job").await, 1);

    let no_job = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
    for path in ["", "/attempts", "/events", "?wait=1"] {
        api.get(&format!("/api/v1/jobs/{no_job}{path}"))
            .await
            .is_error(404, "not_found");
        api.get(&format!("/api/v1/jobs/seven{path}"))
            .await
            .is_error(422, "uuid_parsing");
    }
    for verb in ["cancel", "retry"] {
        api.post(&format!("/api/v1/jobs/{no_job}/{verb}"))
            .await
            .is_error(404, "not_found");
        api.post(&format!("/api/v1/jobs/%ff/{verb}"))
            .await
            .is_error(422, "string_type");
    }
    for (query, code) in [
        ("wait=61", "less_than_equal"),
        ("wait=soon", "float_type"),
        ("wait=NaN", "float_type"),
        ("wait=1&wait=1", "value_error"),
    ] {
        api.get(&format!("/api/v1/jobs/{no_job}?{query}"))
            .await
            .is_error(422, code);
    }
    let refused = api
        .get("/api/v1/jobs?limit=501&state=done&task=%00&since=now&cursor=2")
        .await;
    let codes: Vec<&Value> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["type"])
        .collect();
    assert_eq!(
        codes,
        [
            "value_error",
            "string_type",
            "datetime_parsing",
            "less_than_equal",
            "uuid_parsing"
        ]
    );
    api.post("/api/v1/queues/%00/pause")
        .await
        .is_error(422, "string_type");
    api.post(&format!("/api/v1/queues/{}/pause", "q".repeat(256)))
        .await
        .is_error(422, "too_large");
    api.post_json("/api/v1/notices", &json!({"content": 5}))
        .await
        .is_error(422, "string_type");
}

#[tokio::test]
async fn an_unknown_task_is_refused_where_there_is_no_default_one() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    database
        .execute("delete from ringback.task where name = 'default'")
        .await;
    eventually("the gateway should know", async || {
        api.post_json("/api/v1/jobs", &json!({"task_type": "fly", "content": ""}))
            .await
            .status
            == 422
    })
    .await;
    let body = json!({"jobs": [translate("a"), {"task_type": "fly", "content": ""}]});
    let refused = api.post_json("/api/v1/jobs/batch", &body).await;
    refused.is_error(422, "task_unknown");
    assert_eq!(
        refused.body["errors"][0]["loc"],
        json!(["body", "jobs", "1", "task_type"])
    );
}

#[tokio::test]
async fn requests_are_limited_in_size_and_told_what_is_not_there() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let long = "x".repeat(8 * 1024);
    api.get(&format!("/api/v1/jobs?task={long}"))
        .await
        .is_problem(414, "about:blank");
    let headers = api.client.get(api.url("/api/v1/jobs"));
    let headers = (0..20).fold(headers, |request, number| {
        request.header(format!("x-{number}"), "x".repeat(1_000))
    });
    Answer::of(headers).await.is_problem(431, "about:blank");
    api.get("/api/v1/nothing")
        .await
        .is_problem(404, "about:blank");
    api.get("/nothing").await.is_problem(404, "about:blank");
    for request in [
        api.client.delete(api.url("/api/v1/jobs")),
        api.client.put(api.url("/api/v1/notices")),
    ] {
        Answer::of(request).await.is_problem(405, "about:blank");
    }
    let answer = api
        .client
        .delete(api.url("/api/v1/jobs"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["allow"], "POST,GET,HEAD");
    let stranger = api
        .client
        .get(api.url("/api/v1/jobs"))
        .header("origin", "http://evil.example");
    Answer::of(stranger).await.is_problem(403, "about:blank");
}

#[tokio::test]
async fn who_looks_around_slowly_and_whose_transaction_is_open_hold_up_nobody_else() {
    let database = TestDatabase::new().await;
    let _worker = Program::worker(&database, &[]).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api.submit("translate", "hello").await;
    let mut held = database.pool.begin().await.unwrap();
    sqlx::query("select ringback.notify('under way')")
        .execute(&mut *held)
        .await
        .unwrap();
    let mut locked = database.pool.begin().await.unwrap();
    sqlx::query("lock table ringback.worker in access exclusive mode")
        .execute(&mut *locked)
        .await
        .unwrap();
    // More than there are connections for them, and nobody waits for the answer.
    let mut asking = JoinSet::new();
    for _ in 0..12 {
        let request = api
            .client
            .get(api.url("/api/v1/stats"))
            .timeout(Duration::from_millis(300));
        asking.spawn(request.send());
    }
    asking.join_all().await;
    assert_eq!(api.finished(&job).await["state"], "succeeded");
    // Which takes as long as its own connection does.
    eventually("it should be ready", async || {
        api.get("/readyz").await.status == 200
    })
    .await;
    let busy = api
        .post_json("/api/v1/notices", &json!({"content": "another"}))
        .await;
    busy.is_error(503, "busy");
    held.rollback().await.unwrap();
    locked.rollback().await.unwrap();
    // What was refused did not happen.
    assert_eq!(database.count("ringback.notice").await, 0);
    api.post("/api/v1/queues/nothing/pause")
        .await
        .is_error(404, "not_found");
    let packed = api
        .client
        .post(api.url("/api/v1/jobs"))
        .header("content-encoding", "gzip");
    Answer::of(packed.json(&translate("a")))
        .await
        .is_problem(415, "about:blank");
}
