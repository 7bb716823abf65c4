//! Hostile frames: whatever one client sends, the gateway lives and no other client notices.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use ringback::wire::Close;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::{Client, PATIENCE, Program, TestDatabase};

/// What the gateway may use of the machine's memory, in kB, under any of this.
const MEMORY_LIMIT: u64 = 200_000;

/// How many cases each property is tried on.
const CASES: u32 = 300;

/// A client that behaves, beside those that do not.
struct Bystander(Client);

impl Bystander {
    async fn new(gateway: &Program) -> Self {
        Self(Client::connect(gateway).await)
    }

    /// That it is answered as if it were alone: a pong at once, and a job's result.
    async fn is_undisturbed(&mut self) {
        self.0.expect_silence().await;
        let job = self.0.submit("default", "quiet").await;
        let result = self.0.next().await;
        assert_eq!(result.job_id(), job);
        assert_eq!(result.text(), "✅ Processed: QUIET");
    }
}

/// One frame as bytes, right or wrong in each of its parts.
#[derive(Clone, Debug)]
struct RawFrame {
    fin: bool,
    reserved: u8,
    opcode: u8,
    masked: bool,
    /// The length it claims, where that is not the payload's.
    claimed: Option<u64>,
    payload: Vec<u8>,
}

impl RawFrame {
    fn bytes(&self) -> Vec<u8> {
        const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
        let length = self.claimed.unwrap_or(self.payload.len() as u64);
        let mut bytes = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let masked = u8::from(self.masked) << 7;
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..126), _) => bytes.push(masked | short),
            (_, Ok(medium)) => {
                bytes.push(masked | 126);
                bytes.extend(medium.to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        if self.masked {
            bytes.extend(MASK);
            let payload = self.payload.iter().zip(MASK.into_iter().cycle());
            bytes.extend(payload.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend(&self.payload);
        }
        bytes
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..200),
        2 => mutated().prop_map(String::into_bytes),
        1 => Just(br#"{"action":"ping"}"#.to_vec()),
        // The codes of a close frame, the forbidden ones among them.
        1 => (any::<u16>(), vec(any::<u8>(), 0..10))
            .prop_map(|(code, reason)| [&code.to_be_bytes()[..], &reason].concat()),
        1 => (1_000..70_000_usize).prop_map(|length| vec![b'[', b'"', 0xff][length % 3..][..1].repeat(length)),
    ]
}

fn raw_frame() -> impl Strategy<Value = RawFrame> {
    let reserved = prop_oneof![6 => Just(0), 1 => 0..8_u8];
    let opcode = prop_oneof![8 => select(&[0, 1, 2, 8, 9, 10][..]), 1 => 0..16_u8];
    let claimed = prop_oneof![
        8 => Just(None),
        1 => (0..300_u64).prop_map(Some),
        1 => select(vec![65_536, 5_000_000, u64::from(u32::MAX), 1 << 63, u64::MAX]).prop_map(Some),
    ];
    let parts = (
        prop::bool::weighted(0.8),
        reserved,
        opcode,
        prop::bool::weighted(0.9),
        claimed,
        payload(),
    );
    parts.prop_map(
        |(fin, reserved, opcode, masked, claimed, payload)| RawFrame {
            fin,
            reserved,
            opcode,
            masked,
            claimed,
            payload,
        },
    )
}

/// Frames, good and bad, with the last one cut off now and then; or bytes that are no frames at all.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let frames = (
        vec(raw_frame(), 1..8),
        prop::option::weighted(0.3, 1..9_usize),
    )
        .prop_map(|(frames, cut)| {
            let mut bytes: Vec<u8> = frames.iter().flat_map(RawFrame::bytes).collect();
            bytes.truncate(bytes.len() - cut.unwrap_or(0).min(bytes.len()));
            bytes
        });
    prop_oneof![5 => frames, 1 => vec(any::<u8>(), 1..400)]
}

const VALID: [&str; 5] = [
    r#"{"action":"ping","payload":null,"ref":"a"}"#,
    r#"{"action":"ping"}"#,
    r#"{"action":"system_message","payload":{"task_type":"translate","content":"hello"},"ref":"b"}"#,
    r#"{"action":"system_message","payload":{"task_type":"default","content":"é🌍 \"x\" \\ \n"}}"#,
    r#"{"ref":null,"more":[1,2.5,true,{"a":null}],"payload":{"content":"c","task_type":"no such"},"action":"system_message"}"#,
];

const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "null",
    "true",
    "-",
    "0",
    "1e999",
    "1e-999",
    " ",
    "\n",
    "\0",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\u{feff}",
    "\u{202e}",
    "🌍",
    "\"ref\":5,",
    "\"action\":\"fly\",",
    "\"action\":",
    "\"payload\":null,",
    "\"payload\":",
    "99999999999999999999999",
    "[[[[[[[[",
];

/// How a text is made wrong; places are parts of its length.
#[derive(Clone, Debug)]
enum Mutation {
    Insert(f64, &'static str),
    Delete(f64, usize),
    Double(f64, usize),
    Truncate(f64),
    Write(f64, char),
}

impl Mutation {
    fn apply(&self, text: &mut Vec<char>) {
        let at = |part: f64, length: usize| {
            (0..=length)
                .rev()
                .find(|&place| place as f64 <= part * length as f64)
                .unwrap_or(0)
        };
        let length = text.len();
        match *self {
            Self::Insert(part, piece) => {
                let place = at(part, length);
                text.splice(place..place, piece.chars());
            }
            Self::Delete(part, count) => {
                let place = at(part, length);
                text.drain(place..length.min(place + count));
            }
            Self::Double(part, count) => {
                let place = at(part, length);
                let copy = text[place..length.min(place + count)].to_vec();
                text.splice(place..place, copy);
            }
            Self::Truncate(part) => text.truncate(at(part, length)),
            Self::Write(part, character) => {
                let place = at(part, length);
                if let Some(old) = text.get_mut(place) {
                    *old = character;
                }
            }
        }
    }
}

/// A valid message with a few mutations.
fn mutated() -> impl Strategy<Value = String> {
    let place = 0.0..1.0_f64;
    let mutation = prop_oneof![
        3 => (place.clone(), select(&PIECES[..])).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        2 => (place.clone(), 1..12_usize).prop_map(|(at, count)| Mutation::Delete(at, count)),
        1 => (place.clone(), 1..40_usize).prop_map(|(at, count)| Mutation::Double(at, count)),
        1 => place.clone().prop_map(Mutation::Truncate),
        2 => (place, any::<char>()).prop_map(|(at, character)| Mutation::Write(at, character)),
    ];
    (select(&VALID[..]), vec(mutation, 0..4)).prop_map(|(valid, mutations)| {
        let mut text = valid.chars().collect();
        for mutation in mutations {
            mutation.apply(&mut text);
        }
        text.into_iter().collect()
    })
}

/// Tries `property` on many values of `strategy`, one after another.
fn try_all<S: Strategy>(strategy: &S, property: impl Fn(S::Value)) {
    let config = Config {
        cases: CASES,
        // A case that failed is written into the test by hand, not into a file.
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(strategy, |value| {
            property(value);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A connection after its handshake, on which any bytes can be sent.
pub(crate) async fn bare_socket(gateway: &Program) -> TcpStream {
    let address = gateway.address();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /ws/system/ HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    stream
}

/// Sends what the other side takes; gives whether the connection is still open.
async fn feed(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    // What the gateway has answered is of no interest, but must not stall it.
    let mut sink = [0; 4096];
    let (mut read, mut write) = stream.split();
    let reading = async { while matches!(read.read(&mut sink).await, Ok(1..)) {} };
    tokio::select! {
        () = reading => false,
        written = write.write_all(bytes) => written.is_ok(),
    }
}

/// The memory that a process uses, in kB.
fn memory(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("a process that lives has memory");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn text_of(frame: Frame) -> Value {
    let Frame::Text(text) = frame else {
        panic!("a text frame was expected: {frame:?}");
    };
    serde_json::from_str(&text).unwrap()
}

#[test]
fn no_bytes_on_one_socket_end_the_gateway_or_disturb_another() {
    let runtime = runtime();
    let (_database, gateway, _worker, bystander) = runtime.block_on(everything());
    let bystander = tokio::sync::Mutex::new(bystander);
    let hostile = tokio::sync::Mutex::new(None);
    try_all(&stream(), |bytes| {
        runtime.block_on(async {
            let mut hostile = hostile.lock().await;
            // The next bytes go on where these end, unless they ended the connection.
            let mut stream = match hostile.take() {
                Some(stream) => stream,
                None => bare_socket(&gateway).await,
            };
            if feed(&mut stream, &bytes).await {
                *hostile = Some(stream);
            }
            bystander.lock().await.is_undisturbed().await;
        });
    });
    assert!(
        !gateway.output().contains("panicked"),
        "{}",
        gateway.output()
    );
    assert!(memory(&gateway) < MEMORY_LIMIT);
}

async fn everything() -> (TestDatabase, Program, Program, Bystander) {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let worker = Program::worker(&database, &[]).await;
    let bystander = Bystander::new(&gateway).await;
    (database, gateway, worker, bystander)
}

/// Sends a text and a ping after it; gives the one other answer, whichever comes first.
async fn answer_to(client: &mut Client, text: String) -> Value {
    client.send_text(text).await;
    client
        .send(json!({"action": "ping", "ref": "after it"}))
        .await;
    let after = json!({"action": "pong", "payload": null, "ref": "after it"});
    let (first, second) = (client.next().await.0, client.next().await.0);
    if first == after {
        second
    } else {
        assert_eq!(second, after, "after {first}");
        first
    }
}

#[test]
fn every_text_has_exactly_one_answer_and_leaves_the_socket_open() {
    let runtime = runtime();
    let database = runtime.block_on(TestDatabase::new());
    // Without a worker, so that there is no answer but the direct one.
    let gateway = runtime.block_on(Program::serve(&database, &[]));
    let client = tokio::sync::Mutex::new(runtime.block_on(Client::connect(&gateway)));
    let texts = prop_oneof![6 => mutated(), 1 => any::<String>()];
    try_all(&texts, |text| {
        runtime.block_on(async {
            let answer = answer_to(&mut *client.lock().await, text.clone()).await;
            let action = answer["action"].as_str().unwrap();
            assert!(
                ["error", "pong", "job_queued"].contains(&action),
                "{answer} to {text}"
            );
        });
    });
    runtime.block_on(async { client.lock().await.expect_silence().await });
}

#[tokio::test]
async fn texts_that_are_hard_to_read_have_one_answer_too() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let message = |task_type: &str, content: &str| {
        json!({"action": "system_message", "payload": {"task_type": task_type, "content": content}})
            .to_string()
    };
    // Such as cannot be compressed until it fits into an index.
    let noise: String = (0..1_600)
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect();
    for (text, action, kind) in [
        ("[".repeat(1024 * 1024), "error", "too_large"),
        ("[".repeat(60_000), "error", "json_invalid"),
        (
            format!("{{\"action\":{}{}}}", "[".repeat(100), "]".repeat(100)),
            "error",
            "union_tag_invalid",
        ),
        (
            format!(
                "{{\"action\":\"ping\",\"more\":{}1{}}}",
                "{\"a\":".repeat(120),
                "}".repeat(120)
            ),
            "pong",
            "",
        ),
        (
            format!(
                "{{\"action\":\"ping\",\"more\":{}1{}}}",
                "{\"a\":".repeat(9_000),
                "}".repeat(9_000)
            ),
            "error",
            "json_invalid",
        ),
        (
            r#"{"action":"ping","more":1e999}"#.to_owned(),
            "error",
            "json_invalid",
        ),
        (
            format!("{{\"action\":\"ping\",\"more\":{}}}", "9".repeat(60_000)),
            "error",
            "json_invalid",
        ),
        (
            format!("{{\"action\":\"ping\",\"more\":0.{}}}", "9".repeat(60_000)),
            "pong",
            "",
        ),
        (r#"{"action":"fly","action":"ping"}"#.to_owned(), "pong", ""),
        (
            r#"{"action":"ping","ref":"a","ref":5}"#.to_owned(),
            "error",
            "string_type",
        ),
        (
            format!("{}{{\"action\":\"ping\"}}", " ".repeat(60_000)),
            "pong",
            "",
        ),
        (
            format!("{{{}\"action\":\"ping\"}}", "\"a\":1,".repeat(9_000)),
            "pong",
            "",
        ),
        (
            "\u{feff}{\"action\":\"ping\"}".to_owned(),
            "error",
            "json_invalid",
        ),
        (String::new(), "error", "json_invalid"),
        (message("", ""), "job_queued", ""),
        (message(&noise, "a"), "job_queued", ""),
        (message("default", &noise), "job_queued", ""),
        (
            message("'; drop table ringback.job; --", "$1"),
            "job_queued",
            "",
        ),
    ] {
        let shown: String = text.chars().take(80).collect();
        let answer = answer_to(&mut client, text).await;
        assert_eq!(answer["action"], action, "to {shown}: {answer}");
        if action == "error" {
            assert_eq!(answer["payload"][0]["type"], kind, "to {shown}: {answer}");
        }
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn a_message_in_many_pieces_is_one_message() {
    let (_database, gateway, _worker, mut bystander) = everything().await;
    let mut stream = bare_socket(&gateway).await;
    let text = r#"{"action":"ping","ref":"🌍"}"#.as_bytes();
    for (place, byte) in text.iter().enumerate() {
        let piece = RawFrame {
            fin: place + 1 == text.len(),
            reserved: 0,
            opcode: u8::from(place == 0),
            masked: true,
            claimed: None,
            payload: vec![*byte],
        };
        stream.write_all(&piece.bytes()).await.unwrap();
        // Control frames may come between.
        let ping = RawFrame {
            fin: true,
            opcode: 9,
            payload: Vec::new(),
            ..piece
        };
        stream.write_all(&ping.bytes()).await.unwrap();
    }
    let mut got = Vec::new();
    let answer = r#"{"action":"pong","payload":null,"ref":"🌍"}"#.as_bytes();
    let reading = async {
        while !got.windows(answer.len()).any(|part| part == answer) {
            got.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("an answer should have come");
    bystander.is_undisturbed().await;
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_answered() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    for _ in 0..20 {
        let mut client = Client::connect(&gateway).await;
        client.expect_silence().await;
        client.socket.close(None).await.unwrap();
        let end = tokio::time::timeout(PATIENCE, client.socket.next())
            .await
            .unwrap();
        assert!(matches!(end, Some(Ok(Frame::Close(_)))), "{end:?}");
    }
}

#[tokio::test]
async fn clients_that_ask_and_never_read_disturb_nobody() {
    let (_database, gateway, _worker, mut bystander) = everything().await;
    let mut deaf = Vec::new();
    for number in 0..10 {
        let mut client = Client::connect(&gateway).await;
        let question = if number % 2 == 0 {
            Frame::text(json!({"action": "ping", "ref": "r".repeat(64)}).to_string())
        } else {
            Frame::Ping(vec![b'p'; 125].into())
        };
        // Until nothing more is taken, or the connection is closed; what is read past is bounded all the same.
        let asking = async {
            for _ in 0..100_000 {
                client.socket.feed(question.clone()).await?;
            }
            client.socket.flush().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), asking).await;
        bystander.is_undisturbed().await;
        assert!(memory(&gateway) < MEMORY_LIMIT, "{} kB", memory(&gateway));
        deaf.push(client);
    }
    for _ in 0..50 {
        bystander.is_undisturbed().await;
    }
    assert!(memory(&gateway) < MEMORY_LIMIT, "{} kB", memory(&gateway));
}

#[tokio::test]
async fn a_client_that_is_behind_with_its_notices_catches_up_and_one_that_never_reads_is_closed() {
    // For all clients together more than the limit of memory; for each more than its outbox and its connection take.
    const CLIENTS: usize = 20;
    const NOTICES: usize = 250;
    const LENGTH: usize = 60_000;
    let (database, gateway, _worker, mut bystander) = everything().await;
    let mut deaf = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(&gateway).await;
        client.expect_silence().await;
        deaf.push(client);
    }
    let mut behind = deaf.split_off(CLIENTS - 4);
    let ringback = database.database();
    let mut link = ringback.link("test");
    for number in 0..NOTICES {
        let text = format!("{number} {}", "n".repeat(LENGTH));
        let connection = link.connected().await.unwrap();
        ringback::notice::send(connection, "system", &text, Duration::from_secs(3_600))
            .await
            .unwrap();
        let notice = bystander.0.next().await;
        assert_eq!(notice.action(), "system_notification");
        assert_eq!(notice.text(), text);
        if number % 50 == 0 {
            assert!(memory(&gateway) < MEMORY_LIMIT, "{} kB", memory(&gateway));
        }
    }
    // All at once, since none may be behind for long.
    join_all(behind.iter_mut().map(async |client| {
        for number in 0..NOTICES {
            let notice = client.next().await;
            assert!(notice.text().starts_with(&format!("{number} ")));
        }
    }))
    .await;
    bystander.is_undisturbed().await;
    assert!(memory(&gateway) < MEMORY_LIMIT, "{} kB", memory(&gateway));
    // One write may take half a minute.
    bystander.0.listen_for(Duration::from_secs(40)).await;
    for mut client in deaf {
        let mut notices = 0;
        let ending = async {
            loop {
                match client.socket.next().await {
                    Some(Ok(frame @ Frame::Text(_))) => {
                        let notice = text_of(frame);
                        let text = notice["payload"].as_str().unwrap();
                        // What it has is whole and in order, up to where it was closed.
                        assert!(text.starts_with(&format!("{notices} ")));
                        notices += 1;
                    }
                    Some(Ok(Frame::Close(close))) => return close,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        let close = tokio::time::timeout(PATIENCE, ending)
            .await
            .expect("it should have been closed");
        assert!(notices < NOTICES);
        // Where there was no room for the reason, the connection is cut.
        if let Some(close) = close {
            assert_eq!(u16::from(close.code), Close::TooSlow.code());
        }
    }
    assert!(memory(&gateway) < MEMORY_LIMIT, "{} kB", memory(&gateway));
    bystander.0.expect_silence().await;
}

#[tokio::test]
async fn bytes_that_are_no_frame_and_text_that_is_no_text_are_told_so() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    // An opcode that does not exist; a text frame with bytes that are not UTF-8. Both masked with nothing.
    let wrong: [(&[u8], Close); 2] = [
        (&[0x8b, 0x80, 0, 0, 0, 0], Close::NotAFrame),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], Close::NotText),
    ];
    for (bytes, close) in wrong {
        let mut stream = bare_socket(&gateway).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = [0; 4];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer))
            .await
            .expect("a close should have come")
            .unwrap();
        assert_eq!(answer[0], 0x88, "a close frame");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), close.code());
    }
}
