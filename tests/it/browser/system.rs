//! The system page: each job is one card that changes as the job moves, and notices stand in the middle.

mod life;
mod outage;

use fantoccini::Locator;
use serde_json::{Value, json};

use super::session::{Browser, ENTER, ESCAPE, RIGHT, TAB};
use crate::support::{Program, TestDatabase};

/// The page has a connection, and says so.
pub(super) const CONNECTED: &str =
    "document.querySelector('#connection[data-state=connected]')?.textContent === 'Connected'";

/// A gateway and a worker, and a browser that shows the page and is connected.
pub(super) async fn everything() -> (TestDatabase, Program, Program, Browser) {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let worker = Program::worker(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    (database, gateway, worker, browser)
}

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

/// Notes through which phases each card goes.
const NOTE_PHASES: &str = "
    window.phases = new Map();
    new MutationObserver(() => {
        for (const card of document.querySelectorAll('.card')) {
            const gone = phases.get(card) ?? [];
            if (gone.at(-1) !== card.dataset.phase) phases.set(card, [...gone, card.dataset.phase]);
        }
    }).observe(document.getElementById('messages'), { subtree: true, childList: true, attributes: true });";

/// What a reader of the page does.
impl Browser {
    /// What stands in the conversation, as far as it is to be seen.
    pub(super) async fn conversation(&self) -> Vec<Value> {
        let script = "
            const list = document.getElementById('messages');
            const row = list.getBoundingClientRect();
            return [...list.querySelectorAll(':scope > li:not([hidden])')].map((item) => {
                const seen = (selector) => {
                    const part = item.querySelector(selector);
                    return part?.checkVisibility() ? part.textContent : '';
                };
                const box = item.getBoundingClientRect();
                const time = item.querySelector('time');
                const isFresh = Math.abs(Date.now() - Date.parse(time?.dateTime)) < 60_000;
                return {
                    kind: item.className,
                    id: item.dataset.jobId ?? '',
                    phase: item.dataset.phase ?? '',
                    task: seen('.task'),
                    content: seen('.content'),
                    queued: seen('.queued'),
                    text: item.className === 'notice' ? seen('.text') : seen('.streamed'),
                    outcome: seen('.outcome'),
                    where: seen('.phase'),
                    is_in_the_middle: Math.abs(box.left - row.left - (row.right - box.right)) < 2,
                    has_time: isFresh && /\\d\\d:\\d\\d/.test(time.textContent),
                };
            });";
        self.run(script).await.as_array().cloned().unwrap()
    }

    /// Waits until this many jobs are in this phase, and gives the whole conversation.
    pub(super) async fn until_phase(&self, phase: &str, count: usize) -> Vec<Value> {
        let cards = format!(".card[data-phase={phase}]:not([hidden])");
        self.shows(&format!(
            "document.querySelectorAll('{cards}').length === {count}"
        ))
        .await;
        self.conversation().await
    }

    /// Writes a text for any task, also for those that the page has no button for, and submits it.
    pub(super) async fn submit(&self, task: &str, content: &str) {
        self.run(&format!(
            "const task = document.querySelector('input[name=task_type]');
             task.value = '{task}';
             task.checked = true;
             document.getElementById('content').focus();"
        ))
        .await;
        self.press(content).await;
        self.press(ENTER).await;
    }

    /// Presses what is called so on a card with this content.
    pub(super) async fn press_on_card(&self, content: &str, name: &str) {
        let pressed = format!(
            "[...document.querySelectorAll('.card')].filter((card) => card.querySelector('.content').textContent === '{content}')
                .flatMap((card) => [...card.querySelectorAll('button')])
                .find((button) => button.textContent === '{name}' && button.checkVisibility())"
        );
        self.shows(&pressed).await;
        self.run(&format!("{pressed}.click();")).await;
    }

    async fn submit_by_clicking(&self, task: &str, content: &str) {
        let label = format!("label:has(input[value={task}])");
        let find = async |selector: &str| self.page.find(Locator::Css(selector)).await.unwrap();
        find(&label).await.click().await.unwrap();
        find("#content").await.send_keys(content).await.unwrap();
        find("#send").await.click().await.unwrap();
    }
}

/// That a card shows this job, done.
fn assert_done(card: &Value, task: &str, content: &str, result: &str) {
    let id = card["id"].as_str().unwrap();
    let name = format!("{}{}", task[..1].to_uppercase(), &task[1..]);
    let expected = json!({
        "kind": "card",
        "id": id,
        "phase": "succeeded",
        "task": name,
        "content": content,
        "queued": format!("⏳ Job queued: {task} for '{content}' (ID: {id})"),
        "text": "",
        "outcome": result,
        "where": "Done",
        "is_in_the_middle": true,
        "has_time": true,
    });
    assert_eq!(*card, expected);
}

pub(super) async fn notify(database: &TestDatabase, text: &str) {
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
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn every_task_is_submitted_by_clicking_and_is_one_card_through_all_its_phases() {
    let (_database, _gateway, _worker, browser) = everything().await;
    browser.run(NOTE_PHASES).await;
    for (turn, (task, content, result)) in TASKS.into_iter().enumerate() {
        browser.submit_by_clicking(task, content).await;
        let cards = browser.until_phase("succeeded", turn + 1).await;
        assert_eq!(cards.len(), turn + 1);
        assert_done(&cards[turn], task, content, result);
    }
    let phases = browser.run("return [...phases.values()];").await;
    let phases: Vec<Vec<String>> = serde_json::from_value(phases).unwrap();
    for phases in phases {
        let shown: Vec<&str> = phases.iter().map(String::as_str).collect();
        // One that is looked at in time is also seen to run.
        assert!(
            matches!(
                shown[..],
                ["sending", "queued", "succeeded"] | ["sending", "queued", "running", "succeeded"]
            ),
            "{shown:?}"
        );
    }
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
        let cards = browser.until_phase("succeeded", turn + 1).await;
        assert_done(&cards[turn], task, content, result);
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
    assert!(browser.conversation().await.is_empty());
    browser.press(ENTER).await;
    browser.until_phase("succeeded", 1).await;
}

#[tokio::test]
async fn nothing_is_sent_of_an_empty_line_and_the_page_says_why() {
    let (_database, _gateway, _worker, browser) = everything().await;
    let send = browser.page.find(Locator::Id("send")).await.unwrap();
    send.click().await.unwrap();
    browser
        .shows("document.getElementById('status').textContent === 'Write a few words first.'")
        .await;
    assert!(browser.conversation().await.is_empty());
}

#[tokio::test]
async fn a_notice_stands_in_the_middle() {
    let (database, _gateway, _worker, browser) = everything().await;
    notify(&database, "The lights go out at ten.").await;
    browser.shows("document.querySelector('.notice')").await;
    let [notice] = &browser.conversation().await[..] else {
        panic!("one notice was expected");
    };
    assert_eq!(notice["kind"], "notice");
    assert_eq!(notice["text"], "The lights go out at ten.");
    assert_eq!(notice["is_in_the_middle"], true);
    assert_eq!(notice["has_time"], true);
    browser
        .shows("document.getElementById('announcer').textContent === 'Notice: The lights go out at ten.'")
        .await;
}

#[tokio::test]
async fn markup_is_shown_as_text_and_makes_no_element() {
    let (database, _gateway, _worker, browser) = everything().await;
    let markup = r#"<img src=x onerror="document.title='taken'"><b>bold</b>"#;
    browser.submit_by_clicking("default", markup).await;
    let cards = browser.until_phase("succeeded", 1).await;
    let loud = format!("✅ Processed: {}", markup.to_uppercase());
    assert_done(&cards[0], "default", markup, &loud);
    notify(&database, markup).await;
    browser.shows("document.querySelector('.notice')").await;
    assert_eq!(browser.conversation().await[1]["text"], json!(markup));
    // Also of what was heard by an earlier page.
    browser.page.refresh().await.unwrap();
    let cards = browser.until_phase("succeeded", 1).await;
    assert_done(&cards[0], "default", markup, &loud);
    assert_eq!(cards[1]["text"], json!(markup));
    let made = "return document.querySelectorAll('#messages :is(img, b, script), #log :is(img, b, script)').length;";
    assert_eq!(browser.run(made).await, json!(0));
    assert_eq!(browser.page.title().await.unwrap(), "Ringback");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_accepted_says_why_and_can_be_written_again() {
    let (_database, _gateway, _worker, browser) = everything().await;
    browser
        .run("document.getElementById('content').value = 'x'.repeat(70_000);")
        .await;
    browser
        .run("document.getElementById('send').click();")
        .await;
    let cards = browser.until_phase("refused", 1).await;
    let why = cards[0]["outcome"].as_str().unwrap();
    assert!(why.contains("at most 65536"), "{why}");
    assert_eq!(cards[0]["where"], "Not accepted");
    let content = "x".repeat(70_000);
    browser.press_on_card(&content, "Write it again").await;
    let line = "const line = document.activeElement; return [line.id, line.value.length];";
    assert_eq!(browser.run(line).await, json!(["content", 70_000]));
    // It was nothing that the session was told of.
    browser.page.refresh().await.unwrap();
    browser.shows(CONNECTED).await;
    assert!(browser.conversation().await.is_empty());
}

#[tokio::test]
async fn the_frames_are_shown_as_they_crossed_the_wire() {
    let (_database, _gateway, _worker, browser) = everything().await;
    browser.submit_by_clicking("default", "abc").await;
    browser.until_phase("succeeded", 1).await;
    let acknowledged = "[...document.querySelectorAll('.frame code')].some((code) => code.textContent.includes('\"ack\"'))";
    browser.shows(acknowledged).await;
    let toggle = browser.page.find(Locator::Id("log-toggle")).await.unwrap();
    toggle.click().await.unwrap();
    browser
        .shows("document.getElementById('log').checkVisibility()")
        .await;
    let frames = browser
        .run("return [...document.querySelectorAll('.frame')].map((item) => [item.dataset.way, item.querySelector('code').textContent]);")
        .await;
    let frames: Vec<(String, String)> = serde_json::from_value(frames).unwrap();
    let beginnings = [
        ("note", "connection opened"),
        ("out", r#"{"action":"resume""#),
        ("in", r#"{"action":"resumed""#),
        (
            "out",
            r#"{"action":"system_message","payload":{"stream":true"#,
        ),
        ("in", r#"{"action":"job_queued""#),
        (
            "in",
            r#"{"action":"job_result","payload":"✅ Processed: ABC""#,
        ),
        ("out", r#"{"action":"ack""#),
    ];
    assert_eq!(frames.len(), beginnings.len(), "{frames:?}");
    for ((way, text), (expected, beginning)) in frames.iter().zip(beginnings) {
        assert!(way == expected && text.starts_with(beginning), "{text}");
    }
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
async fn nothing_stands_over_the_edge_of_a_phone() {
    let (database, _gateway, _worker, browser) = everything().await;
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
    browser
        .submit_by_clicking("default", &"long".repeat(100))
        .await;
    browser.until_phase("succeeded", 1).await;
    notify(&database, &"wide".repeat(100)).await;
    browser.shows("document.querySelector('.notice')").await;
    assert_eq!(browser.run(wide).await, fits);
    let toggle = browser.page.find(Locator::Id("log-toggle")).await.unwrap();
    toggle.click().await.unwrap();
    assert_eq!(browser.run(wide).await, fits);
}
