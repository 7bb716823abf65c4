//! The pages, in a real browser, before real gateways and workers.

mod session;
mod tabs;

use serde_json::{Value, json};

use fantoccini::Locator;
use session::{Browser, ENTER, ESCAPE, RIGHT, TAB};

use crate::support::{Api, Program, TestDatabase, eventually};

/// Each task with a text, and what the page shows as its result.
const TASKS: [(&str, &str, &str); 4] = [
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
];

const CONNECTED: &str =
    "document.querySelector('#connection[data-state=connected]')?.textContent === 'Connected'";

async fn everything() -> (TestDatabase, Program, Program, Browser) {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let worker = Program::worker(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    (database, gateway, worker, browser)
}

/// The messages that stand in the page: kind, text, and where the bubble is.
async fn messages(browser: &Browser) -> Vec<Value> {
    let script = "
        const row = document.getElementById('messages').getBoundingClientRect();
        return [...document.querySelectorAll('.message')].map((item) => {
            const bubble = item.querySelector('.bubble').getBoundingClientRect();
            const left = bubble.left - row.left, right = row.right - bubble.right;
            const side = Math.abs(left - right) < 2 ? 'middle' : left < right ? 'left' : 'right';
            const time = item.querySelector('time');
            const fresh = Math.abs(Date.now() - Date.parse(time.dateTime)) < 60_000;
            return {
                kind: item.dataset.kind,
                text: [...item.querySelectorAll('.text')].map((part) => part.textContent).join('\\n'),
                side,
                has_time: fresh && /\\d\\d:\\d\\d/.test(time.textContent),
            };
        });";
    browser.run(script).await.as_array().cloned().unwrap()
}

async fn until_there_are(browser: &Browser, count: usize) -> Vec<Value> {
    browser
        .shows(&format!(
            "document.querySelectorAll('.message').length >= {count}"
        ))
        .await;
    // An animation moves what has just come.
    browser
        .shows(
            "document.getAnimations().every((animation) => animation.animationName !== 'arrive')",
        )
        .await;
    messages(browser).await
}

/// That the three messages of one job stand where they should.
fn assert_job(messages: &[Value], task: &str, content: &str, result: &str) {
    let [own, queued, finished] = messages else {
        panic!("three messages were expected: {messages:?}");
    };
    let shown = |kind: &str, text: &str, side: &str| json!({"kind": kind, "text": text, "side": side, "has_time": true});
    assert_eq!(*own, shown("own", content, "right"));
    assert_eq!(*finished, shown("result", result, "left"));
    let text = queued["text"].as_str().unwrap();
    assert!(
        text.starts_with(&format!("⏳ Job queued: {task} for '{content}' (ID: ")),
        "{text}"
    );
    assert_eq!(*queued, shown("queued", text, "left"));
}

async fn submit_by_clicking(browser: &Browser, task: &str, content: &str) {
    let label = format!("label:has(input[value={task}])");
    let find = async |selector: &str| browser.page.find(Locator::Css(selector)).await.unwrap();
    find(&label).await.click().await.unwrap();
    find("#content").await.send_keys(content).await.unwrap();
    find("#send").await.click().await.unwrap();
}

async fn notify(database: &TestDatabase, text: &str) {
    let mut notify = Program::start(database, &["notify", text]);
    assert!(notify.ended().await.success(), "{}", notify.output());
}

#[tokio::test]
async fn the_first_address_leads_to_a_page_that_says_it_is_connected() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/").await;
    browser.shows(CONNECTED).await;
    let url = browser.page.current_url().await.unwrap();
    assert_eq!(url.path(), "/system/");
    assert_eq!(browser.page.title().await.unwrap(), "Ringback");
    browser
        .shows("document.getElementById('send').ariaDisabled === 'false'")
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn every_task_is_submitted_by_clicking_and_its_messages_stand_in_order() {
    let (_database, _gateway, _worker, browser) = everything().await;
    for (turn, (task, content, result)) in TASKS.into_iter().enumerate() {
        submit_by_clicking(&browser, task, content).await;
        let messages = until_there_are(&browser, 3 * (turn + 1)).await;
        assert_job(&messages[3 * turn..], task, content, result);
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_an_operator_has_cancelled_is_shown_as_such() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    submit_by_clicking(&browser, "generate", "weather").await;
    let queued = until_there_are(&browser, 2).await;
    let text = queued[1]["text"].as_str().unwrap();
    let (_, id) = text.rsplit_once("(ID: ").unwrap();
    let id = id.trim_end_matches(')');
    let mut command = Program::start(&database, &["jobs", "cancel", id]);
    assert!(command.ended().await.success());
    let messages = until_there_are(&browser, 3).await;
    assert_eq!(messages[2]["kind"], "failed");
    assert_eq!(messages[2]["text"], format!("Job {id} was cancelled"));
    let label = "document.querySelector('.message[data-kind=failed] .label').textContent === 'The job was cancelled'";
    browser.shows(label).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn every_task_is_submitted_by_keyboard_alone() {
    let (_database, _gateway, _worker, browser) = everything().await;
    let on_tasks = "return document.activeElement.name === 'task_type';";
    for _ in 0..20 {
        if browser.run(on_tasks).await == json!(true) {
            break;
        }
        browser.press(TAB).await;
    }
    for (turn, (task, content, result)) in TASKS.into_iter().enumerate() {
        if turn > 0 {
            browser.press_shift_tab().await;
            browser.press(RIGHT).await;
        }
        assert_eq!(
            browser.run("return document.activeElement.value;").await,
            json!(task)
        );
        browser.press(TAB).await;
        browser.press(content).await;
        browser.press(ENTER).await;
        let messages = until_there_are(&browser, 3 * (turn + 1)).await;
        assert_job(&messages[3 * turn..], task, content, result);
        // The line is empty, and the next words go there.
        let line = "const line = document.activeElement; return [line.id, line.value];";
        assert_eq!(browser.run(line).await, json!(["content", ""]));
    }
}

#[tokio::test]
async fn an_idea_is_written_on_the_line_and_not_sent_by_itself() {
    let (_database, _gateway, _worker, browser) = everything().await;
    let idea = Locator::Css(".idea[data-task=analyze]");
    let idea = browser.page.find(idea).await.unwrap();
    idea.click().await.unwrap();
    let written =
        "return [document.activeElement.value, new FormData(document.forms[0]).get('task_type')];";
    let sentence = "The quick brown fox jumps over the lazy dog.";
    assert_eq!(browser.run(written).await, json!([sentence, "analyze"]));
    assert!(messages(&browser).await.is_empty());
    browser.press(ENTER).await;
    until_there_are(&browser, 3).await;
}

#[tokio::test]
async fn nothing_is_sent_of_an_empty_line_and_the_page_says_why() {
    let (_database, _gateway, _worker, browser) = everything().await;
    let send = browser.page.find(Locator::Id("send")).await.unwrap();
    send.click().await.unwrap();
    browser
        .shows("document.getElementById('status').textContent === 'Write a few words first.'")
        .await;
    assert!(messages(&browser).await.is_empty());
}

#[tokio::test]
async fn a_notice_stands_in_the_middle() {
    let (database, _gateway, _worker, browser) = everything().await;
    notify(&database, "The lights go out at ten.").await;
    let messages = until_there_are(&browser, 1).await;
    assert_eq!(
        messages,
        [
            json!({"kind": "notice", "text": "The lights go out at ten.", "side": "middle", "has_time": true})
        ]
    );
}

#[tokio::test]
async fn markup_is_shown_as_text_and_makes_no_element() {
    let (database, _gateway, _worker, browser) = everything().await;
    let markup = r#"<img src=x onerror="document.title='taken'"><b>bold</b>"#;
    submit_by_clicking(&browser, "default", markup).await;
    until_there_are(&browser, 3).await;
    notify(&database, markup).await;
    let messages = until_there_are(&browser, 4).await;
    assert_eq!(messages[0]["text"], json!(markup));
    assert!(messages[1]["text"].as_str().unwrap().contains(markup));
    let loud = format!("✅ Processed: {}", markup.to_uppercase());
    assert_eq!(messages[2]["text"], json!(loud));
    assert_eq!(messages[3]["text"], json!(markup));
    let made = "return document.querySelectorAll('#messages :is(img, b, script), #log :is(img, b, script)').length;";
    assert_eq!(browser.run(made).await, json!(0));
    assert_eq!(browser.page.title().await.unwrap(), "Ringback");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_badge_is_true_the_page_comes_back_by_itself_and_what_was_typed_stays() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    // Nobody works yet, so this one is still out when the connection is lost.
    submit_by_clicking(&browser, "default", "before").await;
    until_there_are(&browser, 2).await;

    gateway.kill();
    browser
        .shows("document.querySelector('#connection[data-state=reconnecting]')?.textContent.startsWith('Reconnecting')")
        .await;
    browser
        .shows("document.querySelector('.message[data-kind=queued][data-progress=lost]')")
        .await;
    submit_by_clicking(&browser, "translate", "hello").await;
    let kept = "const line = document.getElementById('content'); return [line.value, document.getElementById('status').textContent];";
    assert_eq!(
        browser.run(kept).await,
        json!([
            "hello",
            "Not sent yet. Not connected. Your text stays here until it can be sent."
        ])
    );
    assert_eq!(messages(&browser).await.len(), 2);

    let gateway = Program::start(&database, &["serve", "--listen", &address]);
    gateway.printed("serving").await;
    let _worker = Program::worker(&database, &[]).await;
    browser.shows(CONNECTED).await;
    assert_eq!(browser.run(kept).await, json!(["hello", ""]));
    browser.press(ENTER).await;
    let messages = until_there_are(&browser, 5).await;
    assert_job(&messages[2..], "translate", "hello", TASKS[0].2);
}

#[tokio::test]
async fn a_gateway_that_hangs_is_found_out_when_the_device_was_offline() {
    let (_database, gateway, _worker, browser) = everything().await;
    // It neither answers nor closes, as a network that has gone.
    gateway.signal("STOP");
    eventually("the gateway should have stopped", async || {
        is_stopped(&gateway)
    })
    .await;
    browser
        .run("window.dispatchEvent(new Event('offline'));")
        .await;
    browser
        .shows("document.querySelector('#connection[data-state=offline]')")
        .await;
    gateway.signal("CONT");
    browser.shows(CONNECTED).await;
}

/// Whether every thread of a process is stopped: the signal reaches one after another.
fn is_stopped(program: &Program) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
        status.contains("State:\tT")
    })
}

#[tokio::test]
async fn the_frames_are_shown_as_they_crossed_the_wire() {
    let (_database, _gateway, _worker, browser) = everything().await;
    submit_by_clicking(&browser, "default", "abc").await;
    until_there_are(&browser, 3).await;
    let toggle = browser.page.find(Locator::Id("log-toggle")).await.unwrap();
    toggle.click().await.unwrap();
    browser
        .shows("document.getElementById('log').checkVisibility()")
        .await;
    let frames = browser
        .run("return [...document.querySelectorAll('.frame')].map((item) => [item.dataset.way, item.querySelector('code').textContent]);")
        .await;
    let frames: Vec<(String, String)> = serde_json::from_value(frames).unwrap();
    let ways: Vec<&str> = frames.iter().map(|(way, _)| way.as_str()).collect();
    assert_eq!(ways, ["note", "out", "in", "in"], "{frames:?}");
    assert_eq!(
        frames[1].1,
        r#"{"action":"system_message","payload":{"task_type":"default","content":"abc"},"ref":"1"}"#
    );
    assert!(frames[2].1.starts_with(r#"{"action":"job_queued""#));
    assert!(
        frames[3]
            .1
            .starts_with(r#"{"action":"job_result","payload":"✅ Processed: ABC""#)
    );
    // It goes again, and the focus is where it came from.
    let log = browser.page.find(Locator::Id("log-close")).await.unwrap();
    browser.run("document.getElementById('log').focus();").await;
    browser.press(ESCAPE).await;
    assert!(!log.is_displayed().await.unwrap());
    assert_eq!(
        browser.run("return document.activeElement.id;").await,
        json!("log-toggle")
    );
}

#[tokio::test]
async fn the_reference_shows_every_message_and_schema_of_the_contract() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/asyncapi/docs/").await;
    browser.shows("document.querySelector('.thing')").await;
    let contract: Value =
        reqwest::get(format!("http://{}/asyncapi/schema.json", gateway.address()))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
    let mut expected: Vec<String> = Vec::new();
    for channel in contract["channels"].as_object().unwrap().values() {
        let names = channel["messages"].as_object().unwrap().keys();
        expected.extend(names.map(|name| format!("message-{name}")));
    }
    assert!(expected.len() >= 8, "{expected:?}");
    let schemas = contract["components"]["schemas"].as_object().unwrap();
    expected.extend(schemas.keys().map(|name| format!("schema-{name}")));
    let shown: Vec<String> = serde_json::from_value(
        browser
            .run("return [...document.querySelectorAll('.thing')].filter((part) => part.innerText.length > 20).map((part) => part.id);")
            .await,
    )
    .unwrap();
    for id in expected {
        assert!(shown.contains(&id), "{id} is not among {shown:?}");
    }
    let dead = browser
        .run("return [...document.querySelectorAll('a[href^=\"#\"]')].map((link) => decodeURIComponent(link.hash.slice(1))).filter((id) => !document.getElementById(id));")
        .await;
    assert_eq!(dead, json!([]));
    // The contents say where one is.
    browser
        .run("document.querySelector('#toc a[href=\"#message-job_queued\"]').click();")
        .await;
    browser
        .shows("document.querySelector('#toc [aria-current]')?.hash === '#message-job_queued'")
        .await;
    assert_eq!(
        browser
            .run("return document.querySelectorAll('.failure').length;")
            .await,
        json!(0)
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_script_from_anywhere_else_does_not_run_and_the_browser_says_so() {
    let (_database, _gateway, _worker, browser) = everything().await;
    browser
        .run(
            "const script = document.createElement('script');
             script.textContent = 'document.title = \"taken\"';
             document.body.append(script);",
        )
        .await;
    eventually("the browser should complain", async || {
        let complaints = browser.complaints().await;
        complaints
            .iter()
            .any(|complaint| complaint.contains("Content Security Policy"))
    })
    .await;
    assert_eq!(browser.page.title().await.unwrap(), "Ringback");
}

#[tokio::test]
async fn nothing_stands_over_the_edge_of_a_phone() {
    let (database, gateway, _worker, browser) = everything().await;
    browser.resize(375, 812).await;
    let wide = "
        const width = document.documentElement.clientWidth;
        const over = [...document.body.querySelectorAll('*')].filter((part) => {
            const box = part.getBoundingClientRect();
            return box.width > 1 && box.height > 1 && part.checkVisibility() && (box.right > width + 1 || box.left < -1);
        });
        const name = (part) => `${part.tagName} ${part.id} ${part.className}`;
        return [width, document.documentElement.scrollWidth, over.map(name)];";
    let fits = json!([375, 375, []]);
    assert_eq!(browser.run(wide).await, fits);
    submit_by_clicking(&browser, "default", &"long".repeat(100)).await;
    until_there_are(&browser, 3).await;
    notify(&database, &"wide".repeat(100)).await;
    until_there_are(&browser, 4).await;
    assert_eq!(browser.run(wide).await, fits);
    let toggle = browser.page.find(Locator::Id("log-toggle")).await.unwrap();
    toggle.click().await.unwrap();
    assert_eq!(browser.run(wide).await, fits);

    let docs = format!("http://{}/asyncapi/docs/", gateway.address());
    browser.page.goto(&docs).await.unwrap();
    browser.shows("document.querySelector('.thing')").await;
    let widths =
        "return [document.documentElement.clientWidth, document.documentElement.scrollWidth];";
    assert_eq!(browser.run(widths).await, json!([375, 375]));
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    for path in ["/system/", "/asyncapi/docs/", "/asyncapi/schema.json"] {
        let answer = reqwest::get(format!("http://{}{path}", gateway.address()))
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

/// What a page does with the events of a job, as browsers have it.
const FOLLOW: &str = "
    window.told = [];
    window.source = new EventSource(path);
    for (const name of ['job_chunk', 'job_result']) {
        source.addEventListener(name, (event) => told.push([name, event.lastEventId, JSON.parse(event.data).payload]));
    }";

#[tokio::test]
async fn an_event_source_follows_a_job_across_a_restart_and_stops_at_its_end() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let browser = Browser::at(&gateway, "/system/").await;
    let story = json!({"task_type": "story", "content": "150", "stream": true});
    let job = Api::of(&gateway).submit_as(&story).await;
    let path = format!("const path = '/api/v1/jobs/{job}/events';");
    browser.run(&format!("{path} {FOLLOW}")).await;
    browser.shows("window.told.length >= 20").await;
    gateway.kill();
    let gateway = Program::start(&database, &["serve", "--listen", &address]);
    gateway.printed("serving").await;
    // Its end is answered so that the browser does not come back for ever.
    browser
        .shows("source.readyState === EventSource.CLOSED")
        .await;
    let told = browser.run("return told;").await;
    let pieces =
        (1..=150).map(|piece| json!(["job_chunk", format!("1-{piece}"), format!("{piece} ")]));
    let expected: Vec<Value> = pieces
        .chain([json!(["job_result", "over", "150"])])
        .collect();
    assert_eq!(told, json!(expected));
}
