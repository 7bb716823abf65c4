//! The wire: what a client sends, and what it is answered, to the character.

use ringback::wire::Close;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::{Client, Program, TestDatabase};
use futures_util::SinkExt;

async fn everything() -> (TestDatabase, Program, Program, Client) {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let worker = Program::worker(&database, &[]).await;
    let client = Client::connect(&gateway).await;
    (database, gateway, worker, client)
}

fn error(kind: &str, loc: &[&str], msg: &str) -> Value {
    json!({"action": "error", "payload": [{"type": kind, "loc": loc, "msg": msg}]})
}

#[tokio::test]
async fn a_ping_is_answered_with_its_ref() {
    let (_database, _gateway, _worker, mut client) = everything().await;
    client
        .send(json!({"action": "ping", "payload": null, "ref": "a"}))
        .await;
    assert_eq!(
        client.next().await.0,
        json!({"action": "pong", "payload": null, "ref": "a"})
    );
    client.send(json!({"action": "ping", "ref": null})).await;
    assert_eq!(
        client.next().await.0,
        json!({"action": "pong", "payload": null})
    );
}

#[tokio::test]
async fn every_task_has_the_demonstrations_texts() {
    let (_database, _gateway, _worker, mut client) = everything().await;
    for (task_type, content, result) in [
        ("translate", "hello", "🌍 Translated: 'hello' → 'hola'"),
        (
            "analyze",
            "Hello world",
            "📊 Analysis of 'Hello world':\n• Characters: 11\n• Words: 2\n• Vowels: 3\n• Consonants: 7",
        ),
        (
            "generate",
            "weather",
            "🤖 AI Response to 'weather':\nThe weather is looking great today! Perfect for a walk outside.",
        ),
        ("default", "abc", "✅ Processed: ABC"),
        ("no such task", "straße", "✅ Processed: STRASSE"),
    ] {
        client
            .send(json!({
                "action": "system_message",
                "payload": {"task_type": task_type, "content": content},
                "ref": "mine",
                "unknown": {"fields": "are ignored"},
            }))
            .await;
        let queued = client.next().await;
        let job = queued.job_id();
        let text = format!("⏳ Job queued: {task_type} for '{content}' (ID: {job})");
        assert_eq!(
            queued.0,
            json!({"action": "job_queued", "payload": text, "ref": "mine", "job_id": job})
        );
        assert_eq!(
            client.next().await.0,
            json!({"action": "job_result", "payload": result, "job_id": job, "id": job})
        );
    }
}

#[tokio::test]
async fn queued_comes_before_the_result_also_when_there_is_no_delay() {
    let (_database, _gateway, _worker, mut client) = everything().await;
    for number in 0..500 {
        client.ask("default", &number.to_string()).await;
    }
    let mut queued = std::collections::HashSet::new();
    let mut finished = std::collections::HashSet::new();
    while finished.len() < 500 {
        let message = client.next().await;
        match message.action() {
            "job_queued" => assert!(queued.insert(message.job_id()), "queued twice"),
            "job_result" => {
                assert!(
                    queued.contains(&message.job_id()),
                    "a result before its job was queued"
                );
                assert!(finished.insert(message.job_id()), "a second result");
            }
            other => panic!("an unexpected {other}"),
        }
    }
}

#[tokio::test]
async fn every_mistake_has_its_words_and_leaves_the_socket_open() {
    let (_database, _gateway, _worker, mut client) = everything().await;
    let envelope = "Input should be a valid dictionary or instance of Envelope";
    let payload = "Input should be a valid dictionary or instance of TaskPayload";
    let tags = "does not match any of the expected tags: 'ping', 'system_message', 'submit_jobs', 'cancel_job', 'retry_job', 'resume', 'ack', 'authenticate'";
    for (text, answer) in [
        (
            "{",
            error(
                "json_invalid",
                &[],
                "Invalid JSON: EOF while parsing an object at line 1 column 1",
            ),
        ),
        ("[]", error("model_type", &[], envelope)),
        ("\"ping\"", error("model_type", &[], envelope)),
        (
            "{}",
            error(
                "union_tag_not_found",
                &[],
                "Unable to extract tag using discriminator 'action'",
            ),
        ),
        (
            r#"{"action":"fly"}"#,
            error(
                "union_tag_invalid",
                &[],
                &format!("Input tag 'fly' found using 'action' {tags}"),
            ),
        ),
        (
            r#"{"action":"system_message"}"#,
            error("missing", &["system_message", "payload"], "Field required"),
        ),
        (
            r#"{"action":"system_message","payload":"x"}"#,
            error("model_type", &["system_message", "payload"], payload),
        ),
        (
            r#"{"action":"system_message","payload":{"task_type":"a"}}"#,
            error(
                "missing",
                &["system_message", "payload", "content"],
                "Field required",
            ),
        ),
        (
            r#"{"action":"system_message","payload":{"task_type":"a","content":5}}"#,
            error(
                "string_type",
                &["system_message", "payload", "content"],
                "Input should be a valid string",
            ),
        ),
        (
            r#"{"action":"ping","payload":{}}"#,
            error(
                "none_required",
                &["ping", "payload"],
                "Input should be None",
            ),
        ),
        (
            r#"{"action":"system_message","payload":{"task_type":"a","content":"x\u0000"}}"#,
            error(
                "string_type",
                &["system_message", "payload", "content"],
                "Input should be a valid string without NUL characters",
            ),
        ),
    ] {
        client.send_text(text).await;
        assert_eq!(client.next().await.0, answer, "to {text}");
    }
    client
        .send_text(r#"{"action":"system_message","payload":{"task_type":"a","content":"\ud800"}}"#)
        .await;
    assert_eq!(client.next().await.0["payload"][0]["type"], "json_invalid");
    client
        .socket
        .send(Frame::binary(b"{}".to_vec()))
        .await
        .unwrap();
    assert_eq!(
        client.next().await.0,
        error(
            "json_invalid",
            &[],
            "Invalid JSON: binary frames are not supported"
        )
    );
    client.expect_silence().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_and_one_far_over_it_closes_the_socket() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &["--max-frame", "1000"]).await;
    let mut client = Client::connect(&gateway).await;
    client.send_text("x".repeat(1001)).await;
    assert_eq!(
        client.next().await.0,
        error(
            "too_large",
            &[],
            "The frame has 1001 bytes; at most 1000 are allowed"
        )
    );
    client.expect_silence().await;
    // Also where much of the frame is still on its way: closing then would take the reason with it.
    for bytes in [64_001, 500_000, 2_000_000] {
        let mut client = Client::connect(&gateway).await;
        client.send_text("x".repeat(bytes)).await;
        let close = client
            .closed()
            .await
            .expect("the close should have a reason");
        assert_eq!(
            (u16::from(close.code), close.reason.as_str()),
            (Close::FrameTooLarge.code(), Close::FrameTooLarge.reason())
        );
    }
}

#[tokio::test]
async fn a_socket_is_told_to_come_back_when_its_gateway_stops() {
    let (_database, mut gateway, _worker, mut client) = everything().await;
    client.submit("default", "a").await;
    gateway.signal("TERM");
    let close = client
        .closed()
        .await
        .expect("the close should have a reason");
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (Close::Stopping.code(), Close::Stopping.reason())
    );
    assert!(gateway.ended().await.success());
}
