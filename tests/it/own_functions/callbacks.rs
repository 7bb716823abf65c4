//! Functions that answer later.

use tokio::sync::Notify;

use super::*;
use crate::support::{Answer, eventually_within};

/// Where and with what a function was told to call back.
struct Callback {
    url: String,
    token: String,
}

impl Callback {
    /// That of the request of this number, when it has come.
    async fn of(endpoint: &Endpoint, number: usize) -> Self {
        eventually("it should be called", async || {
            endpoint.asked().len() > number
        })
        .await;
        let asked = endpoint.asked().remove(number);
        Self {
            url: asked.headers["ringback-callback-url"].clone(),
            token: asked.headers["ringback-callback-token"].clone(),
        }
    }

    async fn say(&self, fleet: &Fleet, body: &Value) -> Answer {
        let request = fleet.api.client.post(&self.url);
        Answer::of(request.bearer_auth(&self.token).json(body)).await
    }

    /// Says it, and is heard.
    async fn heard(&self, fleet: &Fleet, body: &Value) {
        let answer = self.say(fleet, body).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    async fn is_unknown(&self, fleet: &Fleet) {
        let answer = self.say(fleet, &json!({"result": "too late"})).await;
        answer.is_error(404, "not_found");
    }
}

impl Fleet {
    async fn submit(&self, task: &str) -> String {
        let job = json!({"task_type": task, "input": 1});
        self.api.submit_as(&job).await
    }

    async fn waits(&self, job: &str) {
        eventually("the job should wait", async || {
            self.api.job(job).await["state"] == "waiting"
        })
        .await;
    }
}

async fn later() -> Endpoint {
    Endpoint::new(|_, asked| match asked.path.as_str() {
        "/now" => Reply::json(&json!("now")),
        _ => Reply::new("202 Accepted", "", ""),
    })
    .await
}

fn task(endpoint: &Endpoint, name: &str, more: &str) -> String {
    let url = endpoint.url(&format!("/{name}"));
    format!("[tasks.{name}]\nurl = \"{url}\"\n{more}\n")
}

#[tokio::test]
async fn a_function_that_calls_back_ends_its_job_once_and_takes_no_slot_meanwhile() {
    let endpoint = later().await;
    let tasks = task(&endpoint, "later", "callback = true") + &task(&endpoint, "now", "");
    let fleet = Fleet::called_back(&tasks).await;
    let mut client = Client::connect(&fleet.gateway).await;
    let payload = json!({"task_type": "later", "input": 1, "stream": true});
    client
        .send(json!({"action": "system_message", "payload": payload}))
        .await;
    let job = client.next().await.job_id();
    let callback = Callback::of(&endpoint, 0).await;
    fleet.waits(&job).await;
    // Two more, which is as many as there are slots; and there is room for another still.
    for number in 1..=2 {
        let other = fleet.submit("later").await;
        Callback::of(&endpoint, number).await;
        fleet.waits(&other).await;
    }
    assert_eq!(fleet.run("now", &json!(1)).await["result"], "now");
    let worker = fleet.api.get("/api/v1/overview").await.body["workers"][0].clone();
    assert_eq!(worker["running"], 0, "{worker}");

    let request = fleet.api.client.post(&callback.url);
    let answer = Answer::of(request.json(&json!({"result": 1}))).await;
    answer.is_error(401, "unauthorized");
    let of_another = Callback::of(&endpoint, 1).await.token;
    for token in [
        callback.token.replace(|_| true, "0"),
        of_another,
        "short".to_owned(),
    ] {
        let url = callback.url.clone();
        Callback { url, token }.is_unknown(&fleet).await;
    }
    let answer = callback.say(&fleet, &json!({"reslt": 1})).await;
    answer.is_error(422, "value_error");
    let answer = callback.say(&fleet, &json!({"result": "a\0b"})).await;
    answer.is_error(422, "unstorable");
    fleet.waits(&job).await;

    callback
        .heard(&fleet, &json!({"percent": 40, "note": "half way"}))
        .await;
    let progress = client.next().await;
    assert_eq!(progress.action(), "job_progress", "{progress:?}");
    assert_eq!(
        progress.0["payload"],
        json!({"percent": 40.0, "note": "half way"})
    );
    callback
        .heard(&fleet, &json!({"result": {"pages": 3}}))
        .await;
    let result = client.next().await;
    assert_eq!(result.action(), "job_result", "{result:?}");
    assert_eq!(result.0["job"]["result"], json!({"pages": 3}));
    callback.is_unknown(&fleet).await;
    let job = fleet.api.finished(&job).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!({"pages": 3}), &json!(1))
    );

    assert!(fleet.worker.output().contains("TRACE"));
    assert!(!fleet.worker.output().contains(&callback.token));
    let stored = format!("ringback.job where job::text like '%{}%'", callback.token);
    assert_eq!(fleet.database.count(&stored).await, 0);
}

#[tokio::test]
async fn a_callback_that_comes_before_the_response_counts() {
    let gate = Arc::new(Notify::new());
    let ours = Arc::clone(&gate);
    let endpoint = Endpoint::new(move |_, _| {
        Reply::raw(&["HTTP/1.1 202 Accepted\r\n", "content-length: 0\r\n\r\n"]).gated(&ours)
    })
    .await;
    let fleet = Fleet::called_back(&task(&endpoint, "later", "callback = true")).await;
    let job = fleet.submit("later").await;
    let callback = Callback::of(&endpoint, 0).await;
    callback.heard(&fleet, &json!({"result": "early"})).await;
    assert_eq!(fleet.api.finished(&job).await["result"], "early");
    gate.notify_one();
    fleet.worker.printed("called back before they waited").await;
    assert_eq!(fleet.api.job(&job).await["result"], "early");
    callback.is_unknown(&fleet).await;
}

#[tokio::test]
async fn a_callback_with_an_error_is_tried_again_or_not_and_each_attempt_has_its_own_token() {
    let endpoint = later().await;
    let fleet = Fleet::called_back(&task(&endpoint, "later", "callback = true")).await;
    let job = fleet.submit("later").await;
    let first = Callback::of(&endpoint, 0).await;
    let error = json!({"error": "not yet", "after": 0.1, "code": "busy"});
    first.heard(&fleet, &error).await;
    let second = Callback::of(&endpoint, 1).await;
    first.is_unknown(&fleet).await;
    second
        .heard(&fleet, &json!({"error": "no such thing", "retry": false}))
        .await;
    let ended = fleet.api.finished(&job).await;
    has_failed(&ended, "task_failed", 2);
    assert_eq!(ended["error"], "no such thing");
    let attempts = fleet.attempts(&ended).await;
    assert_eq!(attempts[0]["error_code"], "busy", "{attempts:?}");
    second.is_unknown(&fleet).await;
}

#[tokio::test]
async fn a_job_that_nobody_calls_back_about_fails_at_its_limit() {
    let endpoint = later().await;
    let more = "callback = true\ncallback_limit = \"200ms\"\nmax_attempts = 2";
    let fleet = Fleet::called_back(&task(&endpoint, "later", more)).await;
    let job = fleet.submit("later").await;
    let job = fleet.api.finished(&job).await;
    has_failed(&job, "callback_timeout", 2);
    let attempts = fleet.attempts(&job).await;
    assert_eq!(
        attempts[0]["error_code"], "callback_timeout",
        "{attempts:?}"
    );
    assert_eq!(endpoint.asked().len(), 2);
    Callback::of(&endpoint, 1).await.is_unknown(&fleet).await;
    assert_eq!(fleet.database.count("ringback.job").await, 0);
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once_and_keeps_its_room_until_then() {
    let endpoint = later().await;
    let more = "callback = true\nconcurrency = 1";
    let fleet = Fleet::called_back(&task(&endpoint, "later", more)).await;
    let first = fleet.submit("later").await;
    fleet.waits(&first).await;
    let second = fleet.submit("later").await;
    assert_eq!(fleet.api.job(&second).await["state"], "held");
    let cancelled = fleet
        .api
        .post(&format!("/api/v1/jobs/{first}/cancel"))
        .await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(fleet.api.job(&first).await["state"], "cancelled");
    Callback::of(&endpoint, 0).await.is_unknown(&fleet).await;
    fleet.waits(&second).await;
    let callback = Callback::of(&endpoint, 1).await;
    callback.heard(&fleet, &json!({"result": null})).await;
    let ended = fleet.api.finished(&second).await;
    assert_eq!(
        (&ended["state"], &ended["result"]),
        (&json!("succeeded"), &Value::Null)
    );
}

#[tokio::test]
async fn a_job_that_waits_outlives_its_worker() {
    let endpoint = later().await;
    let mut fleet = Fleet::called_back(&task(&endpoint, "later", "callback = true")).await;
    let job = fleet.submit("later").await;
    fleet.waits(&job).await;
    fleet.worker.kill();
    let gone = "ringback.worker where gone_at is not null";
    let patience = Duration::from_secs(60);
    eventually_within(patience, "the worker should be given up", async || {
        fleet.database.count(gone).await == 1
    })
    .await;
    assert_eq!(fleet.api.job(&job).await["state"], "waiting");
    let callback = Callback::of(&endpoint, 0).await;
    callback.heard(&fleet, &json!({"result": "done"})).await;
    let ended = fleet.api.finished(&job).await;
    assert_eq!(
        (&ended["result"], &ended["attempts"]),
        (&json!("done"), &json!(1))
    );
    assert_eq!(endpoint.asked().len(), 1);
}

#[tokio::test]
async fn a_call_that_was_called_back_about_holds_up_neither_the_next_attempt_nor_a_stop() {
    // It says how it went, and never answers.
    let endpoint = Endpoint::new(|_, _| Reply::silence()).await;
    let more = "callback = true\ntime_limit = \"10m\"";
    let mut fleet = Fleet::called_back(&task(&endpoint, "later", more)).await;
    let job = fleet.submit("later").await;
    let first = Callback::of(&endpoint, 0).await;
    first
        .heard(&fleet, &json!({"error": "not yet", "after": 0}))
        .await;
    let second = Callback::of(&endpoint, 1).await;
    eventually("the first call should be given up", async || {
        endpoint.hung_up() == 1
    })
    .await;
    second.heard(&fleet, &json!({"result": "done"})).await;
    assert_eq!(fleet.api.finished(&job).await["result"], "done");
    fleet.worker.signal("TERM");
    let ended = fleet.worker.ended_within(Duration::from_secs(20)).await;
    assert!(ended.success(), "{}", fleet.worker.output());
}

#[tokio::test]
async fn what_is_said_of_a_failure_is_kept_readable_and_the_task_says_how_long_the_next_waits() {
    let endpoint = later().await;
    let more =
        "callback = true\nretry_delay = \"30d\"\nlongest_retry_delay = \"30d\"\nmax_attempts = 2";
    let fleet = Fleet::called_back(&task(&endpoint, "later", more)).await;
    let job = fleet.submit("later").await;
    let callback = Callback::of(&endpoint, 0).await;
    let error = format!("\u{1b}[31m{}", "x".repeat(20_000));
    callback.heard(&fleet, &json!({"error": error})).await;
    let attempts = fleet.attempts(&json!({"id": job})).await;
    let kept = attempts[0]["error"].as_str().unwrap();
    assert!(kept.starts_with("\\u{1b}[31mxxx"), "{kept}");
    assert!(kept.len() < 9_000, "{} bytes", kept.len());
    // A random part of a month.
    let later =
        format!("ringback.job where id = '{job}' and run_at > now() + interval '10 seconds'");
    assert_eq!(fleet.database.count(&later).await, 1);
}
