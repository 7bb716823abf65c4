//! Responses that come piece by piece.

use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn what_a_function_streams_reaches_a_client_while_it_runs() {
    let gate = Arc::new(Notify::new());
    let ours = Arc::clone(&gate);
    let endpoint = Endpoint::new(move |_, _| {
        Reply::events(&[
            ": hello\r\n\r\nevent: progress\r\ndata: {\"percent\": 10, \"note\": \"begun\"}\r\n\r\n",
            "event: chunk\ndata: \"one \"\n\nevent: ch",
            "unk\ndata: {\"text\":\ndata: \"two\"}\n\n",
            "event: result\ndata: {\"pieces\": 2}\n\n",
        ])
        .gated(&ours)
    })
    .await;
    let fleet = Fleet::new(&format!("[tasks.talk]\nurl = \"{}\"\n", endpoint.url("/"))).await;
    let mut client = Client::connect(&fleet.gateway).await;
    let payload = json!({"task_type": "talk", "input": 1, "stream": true});
    client
        .send(json!({"action": "system_message", "payload": payload}))
        .await;
    assert_eq!(client.next().await.action(), "job_queued");
    // Each comes before the next is sent.
    gate.notify_one();
    let progress = client.next().await;
    assert_eq!(progress.action(), "job_progress", "{progress:?}");
    assert_eq!(
        progress.0["payload"],
        json!({"percent": 10.0, "note": "begun"})
    );
    gate.notify_one();
    let chunk = client.next().await;
    assert_eq!(
        (chunk.action(), chunk.text()),
        ("job_chunk", "one "),
        "{chunk:?}"
    );
    gate.notify_one();
    let chunk = client.next().await;
    assert_eq!(
        (chunk.action(), chunk.text()),
        ("job_chunk", "two"),
        "{chunk:?}"
    );
    gate.notify_one();
    let result = client.next().await;
    assert_eq!(result.action(), "job_result", "{result:?}");
    assert_eq!(result.0["job"]["result"], json!({"pieces": 2}));
}

#[tokio::test]
async fn a_stream_says_how_it_failed_and_one_that_is_cut_is_tried_again() {
    let endpoint = Endpoint::new(|_, asked| {
        let attempt = asked.headers["ringback-attempt"].as_str();
        match (asked.path.as_str(), attempt) {
            ("/cut", "1") => Reply::events(&["event: chunk\ndata: \"a\"\n\nevent: result\ndata: 1\n"]),
            ("/again", "1") => Reply::events(&["event: error\ndata: {\"message\": \"not yet\", \"after\": 0.1}\n\n"]),
            ("/cut" | "/again", _) => Reply::events(&["event: result\ndata: \"whole\"\n\n"]),
            ("/never", _) => Reply::events(&[
                "event: error\ndata: {\"message\": \"no such invoice\", \"retry\": false, \"code\": \"no_invoice\"}\n\n",
            ]),
            ("/wrong", _) => Reply::events(&["event: chunk\ndata: half\n\n"]),
            ("/vague", "1") => Reply::events(&["event: error\ndata: {\"message\": \"a\", \"retry\": null, \"after\": null, \"code\": null}\n\n"]),
            ("/vague", _) => Reply::events(&[
                "event: progress\ndata: half\n\nevent: progress\ndata: {\"percent\": 4, \"note\": null}\n\n",
                "event: result\ndata: \"whole\"\n\n",
            ]),
            ("/large", _) => Reply::events(&[&format!("data: {}", "x".repeat(2_000))]).then_silence(),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let tasks: String = ["cut", "again", "never", "wrong", "large", "vague"]
        .map(|name| {
            let url = endpoint.url(&format!("/{name}"));
            format!(
                "[tasks.{name}]\nurl = \"{url}\"\nretry_delay = \"10ms\"\nmax_response = 1000\n"
            )
        })
        .concat();
    let fleet = Fleet::new(&tasks).await;
    let job = fleet.run("cut", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("whole"), &json!(2)),
        "{job}"
    );
    let job = fleet.run("again", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("whole"), &json!(2)),
        "{job}"
    );
    let attempts = fleet.attempts(&job).await;
    assert_eq!(attempts[0]["error"], "not yet");
    // Null is as if it were left out, and a progress that nobody understands is no matter.
    let job = fleet.run("vague", &json!(1)).await;
    assert_eq!(
        (&job["result"], &job["attempts"]),
        (&json!("whole"), &json!(2)),
        "{job}"
    );
    let job = fleet.run("never", &json!(1)).await;
    has_failed(&job, "no_invoice", 1);
    assert_eq!(job["error"], "no such invoice");
    has_failed(&fleet.run("wrong", &json!(1)).await, "result_invalid", 1);
    has_failed(&fleet.run("large", &json!(1)).await, "result_too_large", 1);
    eventually("the connection should be closed", async || {
        endpoint.hung_up() == 1
    })
    .await;
}
