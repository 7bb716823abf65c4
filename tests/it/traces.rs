//! Traces: what a client says of its trace goes with the job, to whatever works on it; and the spans of its way.

mod collector;
mod exported;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::{Api, Client, Endpoint, Program, Reply, Scripts, TestDatabase, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// What a client says.
fn ours() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// A command that prints its trace, a kept one that answers with what it was asked, and a function.
fn tasks(function: &Endpoint) -> Scripts {
    let url = function.url("/");
    let tasks = format!(
        "[tasks.once]\ncommand = [\"./once\"]\n\
         [tasks.kept]\ncommand = [\"./kept\"]\npool = 1\n\
         [tasks.call]\nurl = \"{url}\"\nretry_delay = \"10ms\"\n"
    );
    let kept = "#!/usr/bin/env python3\n\
        import json, sys\n\
        for line in sys.stdin:\n    \
            request = json.loads(line)\n    \
            print(json.dumps({'job': request['job'], 'result': request.get('traceparent')}), flush=True)\n";
    Scripts::new(&tasks)
        .with("once", "#!/bin/sh\nprintf '%s' \"${TRACEPARENT-none}\"\n")
        .with("kept", kept)
}

/// A function that fails at the first attempt.
async fn failing_once() -> Endpoint {
    Endpoint::new(
        |_, asked| match asked.headers["ringback-attempt"].as_str() {
            "1" => Reply::new("500 Internal Server Error", "", ""),
            _ => Reply::json(&json!("done")),
        },
    )
    .await
}

/// The trace that each request of a function was a part of.
fn heard(function: &Endpoint) -> Vec<Option<String>> {
    let asked = function.asked().into_iter();
    asked
        .map(|mut asked| asked.headers.remove("traceparent"))
        .collect()
}

async fn submit_with_header(api: &Api, path: &str, traces: &[&str], body: &Value) -> Value {
    let mut request = api.client.post(api.url(path)).json(body);
    for trace in traces {
        request = request.header("traceparent", *trace);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
    response.json().await.unwrap()
}

impl TestDatabase {
    /// Those of all jobs that are over, in the order in which they were submitted.
    async fn traces(&self) -> Vec<Option<String>> {
        sqlx::query_scalar("select traceparent from ringback.job_history order by id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_trace_reaches_functions_commands_and_every_attempt_without_an_exporter() {
    let function = failing_once().await;
    let scripts = tasks(&function);
    let database = TestDatabase::new().await;
    let gateway = scripts.gateway(&database).await;
    let _worker = scripts.worker(&database, &[]).await;

    let mut client = Client::connect(&gateway).await;
    client
        .submit_with("call", json!({"traceparent": ours()}))
        .await;
    assert_eq!(client.next().await.text(), "done");
    assert_eq!(heard(&function), [Some(ours()), Some(ours())]);

    for (task, none) in [("once", json!("none")), ("kept", Value::Null)] {
        client
            .submit_with(task, json!({"traceparent": ours()}))
            .await;
        assert_eq!(client.next().await.text(), ours(), "{task}");
        // Nothing is made up.
        let job = client.submit_with(task, json!({"traceparent": null})).await;
        client.next().await;
        assert_eq!(Api::of(&gateway).job(&job).await["result"], none, "{task}");
    }
}

#[tokio::test]
async fn the_header_is_the_trace_of_every_job_that_does_not_say_its_own() {
    let function = failing_once().await;
    let scripts = tasks(&function);
    let database = TestDatabase::new().await;
    let gateway = scripts.gateway(&database).await;
    let _worker = scripts.worker(&database, &[]).await;
    let api = Api::of(&gateway);
    let result = async |job: &Value| api.finished(job.as_str().unwrap()).await["result"].clone();

    let job = json!({"task_type": "once", "content": ""});
    let answer = submit_with_header(&api, "/api/v1/jobs", &[&ours()], &job).await;
    assert_eq!(result(&answer["job_id"]).await, ours());

    let own = ours().replace(SPAN, "00f067aa0ba902b7");
    let mut other = job.clone();
    other["traceparent"] = own.as_str().into();
    let body = json!({"jobs": [job, other]});
    let answer = submit_with_header(&api, "/api/v1/jobs/batch", &[&ours()], &body).await;
    assert_eq!(result(&answer["job_ids"][0]).await, ours());
    assert_eq!(result(&answer["job_ids"][1]).await, own);

    for malformed in [
        &["00-1-2-01"][..],
        &[&ours(), &own],
        &[&ours().to_uppercase()],
    ] {
        let answer = submit_with_header(&api, "/api/v1/jobs", malformed, &job).await;
        assert_eq!(result(&answer["job_id"]).await, "none", "{malformed:?}");
    }
}

#[tokio::test]
async fn a_malformed_trace_in_a_message_or_a_body_is_refused_with_its_place() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = json!({"task_type": "translate", "content": "a", "traceparent": "00-1-2-01"});
    client
        .send(json!({"action": "system_message", "payload": job}))
        .await;
    let error = client.next().await;
    assert_eq!(
        (
            &error.0["payload"][0]["type"],
            &error.0["payload"][0]["loc"]
        ),
        (
            &json!("value_error"),
            &json!(["system_message", "payload", "traceparent"])
        ),
    );
    client
        .send(json!({"action": "submit_jobs", "payload": {"jobs": [job]}}))
        .await;
    let error = client.next().await;
    let loc = json!(["submit_jobs", "payload", "jobs", "0", "traceparent"]);
    assert_eq!(error.0["payload"][0]["loc"], loc);
    let answer = Api::of(&gateway).post_json("/api/v1/jobs", &job).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(
        answer.body["errors"][0]["loc"],
        json!(["body", "traceparent"])
    );
    assert_eq!(database.count("ringback.job").await, 0);
}

#[tokio::test]
async fn a_trace_is_kept_by_the_history_by_another_chance_and_by_jobs_that_follow() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let worker = Program::unruly(&database).await;
    let input = "input => '[\"a\", \"b\"]'";
    let arguments = format!("'follow', {input}, traceparent => '{}'", ours());
    database.enqueue(&arguments).await.unwrap();
    database
        .enqueue(&format!("'follow', {input}"))
        .await
        .unwrap();
    eventually("they and those that follow should be over", async || {
        database.count("ringback.job_history").await == 6
    })
    .await;
    let of_the_trace = format!("ringback.job_history where traceparent = '{}'", ours());
    assert_eq!(database.count(&of_the_trace).await, 3);
    assert_eq!(
        database
            .count("ringback.job_history where traceparent is null")
            .await,
        3
    );
    drop(worker);

    // Ended by a function of the database, and given another chance by one.
    let arguments = format!("'count', content => '', traceparent => '{}'", ours());
    let job: Uuid = database.enqueue(&arguments).await.unwrap();
    let api = Api::of(&gateway);
    api.post(&format!("/api/v1/jobs/{job}/cancel")).await;
    assert_eq!(database.traces().await.last(), Some(&Some(ours())));
    api.post(&format!("/api/v1/jobs/{job}/retry")).await;
    let again = format!(
        "ringback.job where retry_of = '{job}' and traceparent = '{}'",
        ours()
    );
    assert_eq!(database.count(&again).await, 1);
}

#[tokio::test]
async fn what_is_moved_aside_has_every_column_of_the_history() {
    let database = TestDatabase::new().await;
    let columns = async |table: &str| -> Vec<(String, String)> {
        let query = format!(
            "select attname::text, atttypid::regtype::text from pg_attribute
             where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped order by attnum"
        );
        sqlx::query_as(AssertSqlSafe(query))
            .fetch_all(&database.pool)
            .await
            .unwrap()
    };
    let history = columns("ringback.job_history").await;
    assert!(
        history.iter().any(|(name, _)| name == "traceparent"),
        "{history:?}"
    );
    assert_eq!(history, columns("ringback.expired_history").await);
}
