//! The message reference: it shows the whole contract, finds what is looked for, and talks to the live socket.

use std::collections::BTreeSet;

use fantoccini::Locator;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use serde_json::{Value, json};

use super::session::{Browser, ENTER, ESCAPE, TAB};
use crate::support::{Api, Program, TestDatabase};

const CONTROL: char = '\u{e009}';
const CONNECTED: &str =
    "document.querySelector('#tryit-state[data-state=connected]')?.textContent === 'Connected'";

/// A gateway, a worker, and the reference.
struct Reference {
    _database: TestDatabase,
    _worker: Program,
    _gateway: Program,
    api: Api,
    address: String,
    browser: Browser,
}

impl Reference {
    async fn open() -> Self {
        let database = TestDatabase::new().await;
        let worker = Program::worker(&database, &[]).await;
        let gateway = Program::serve(&database, &[]).await;
        let browser = Browser::at(&gateway, "/asyncapi/docs/").await;
        browser.shows("document.querySelector('.thing')").await;
        Self {
            api: Api::of(&gateway),
            address: gateway.address(),
            _database: database,
            _worker: worker,
            _gateway: gateway,
            browser,
        }
    }

    async fn contract(&self) -> Value {
        let url = format!("http://{}/asyncapi/schema.json", self.address);
        let answer = self.api.client.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn run(&self, script: &str) -> Value {
        self.browser.run(script).await
    }

    async fn shows(&self, expression: &str) {
        self.browser.shows(expression).await;
    }

    async fn click(&self, selector: &str) {
        let found = self.browser.page.find(Locator::Css(selector)).await;
        found.unwrap().click().await.unwrap();
    }

    /// Writes something where a frame is written.
    async fn write(&self, text: &str) {
        let write = "const text = document.getElementById('draft-text'); text.value = VALUE; text.dispatchEvent(new Event('input'));";
        self.run(&write.replace("VALUE", &json!(text).to_string()))
            .await;
    }

    /// Chooses from a list.
    async fn choose(&self, id: &str, value: &str) {
        let choose = format!(
            "const list = document.getElementById('{id}'); list.value = {}; list.dispatchEvent(new Event('change'));",
            json!(value)
        );
        self.run(&choose).await;
    }

    async fn press_with_control(&self, key: &str) {
        let value = key.chars().next().expect("one key");
        let actions = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: CONTROL })
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value })
            .then(KeyAction::Up { value: CONTROL });
        self.browser.page.perform_actions(actions).await.unwrap();
    }

    /// What is said about the frame that is being written.
    async fn note(&self) -> String {
        let note = "return document.getElementById('draft-note').textContent;";
        self.run(note).await.as_str().unwrap().to_owned()
    }

    /// The frames that are shown: their ways, and what they are.
    async fn frames(&self) -> Vec<(String, String)> {
        let frames = "
            return [...document.querySelectorAll('.frame')].filter((frame) => frame.checkVisibility()).map((frame) =>
                [frame.dataset.way, frame.dataset.way === 'note' ? '' : JSON.parse(frame.dataset.text).action]);";
        serde_json::from_value(self.run(frames).await).unwrap()
    }

    async fn has_frame(&self, action: &str) {
        self.shows(&format!(
            "[...document.querySelectorAll('.frame')].some((frame) => frame.dataset.text.startsWith('{{\"action\":\"{action}\"'))"
        ))
        .await;
    }

    /// The sections and rows of codes that are shown.
    async fn found(&self) -> BTreeSet<String> {
        let found = "
            return [...document.querySelectorAll('.thing, tbody.row')].filter((part) => part.checkVisibility())
                .filter((part) => !part.querySelector('tbody.row')).map((part) => part.id);";
        serde_json::from_value(self.run(found).await).unwrap()
    }

    /// Nothing was complained of, and nothing was asked of anybody else.
    async fn is_quiet(&self) {
        assert_eq!(self.browser.complaints().await, Vec::<String>::new());
        assert_eq!(self.browser.other_hosts().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_reference_shows_everything_that_the_contract_has() {
    let reference = Reference::open().await;
    let contract = reference.contract().await;
    let channel = &contract["channels"]["system"];
    let names = |map: &Value| map.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let column = |table: &str, field: &str| -> Vec<String> {
        let rows = channel[table].as_array().unwrap().iter();
        rows.map(|row| row[field].to_string().trim_matches('"').to_owned())
            .collect()
    };
    let mut expected = Vec::new();
    for (kind, names) in [
        ("message", names(&channel["messages"])),
        ("schema", names(&contract["components"]["schemas"])),
        ("error", column("x-errors", "type")),
        ("failure", column("x-failure-codes", "code")),
        ("close", column("x-close-codes", "code")),
    ] {
        assert!(names.len() >= 7, "{kind}: {names:?}");
        expected.extend(names.into_iter().map(|name| format!("{kind}-{name}")));
    }
    let shown = "return [...document.querySelectorAll('main [id]')].filter((part) => part.innerText.length > 20).map((part) => part.id);";
    let shown: Vec<String> = serde_json::from_value(reference.run(shown).await).unwrap();
    for id in expected {
        assert!(shown.contains(&id), "{id} is not among {shown:?}");
    }

    // Numbers are as JavaScript writes them.
    let missing = "
        return fetch('/asyncapi/schema.json').then((answer) => answer.json()).then((contract) => {
            const same = (text) => { try { return JSON.stringify(JSON.parse(text)); } catch { return text; } };
            const shown = new Set([...document.querySelectorAll('main pre')].map((pre) => same(pre.textContent)));
            const channel = contract.channels.system;
            const examples = Object.values(channel.messages).flatMap(({ examples }) => examples);
            const frames = channel['x-errors'].flatMap(({ frames }) => frames);
            return [...examples.map(({ payload }) => JSON.stringify(payload)), ...frames.map(({ frame }) => same(frame))]
                .filter((frame) => !shown.has(frame));
        });";
    assert_eq!(reference.run(missing).await, json!([]));

    let dead = "return [...document.querySelectorAll('a[href^=\"#\"]')].map((link) => decodeURIComponent(link.hash.slice(1))).filter((id) => !document.getElementById(id));";
    assert_eq!(reference.run(dead).await, json!([]));
    let twice = "const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id); return ids.filter((id, at) => ids.indexOf(id) !== at);";
    assert_eq!(reference.run(twice).await, json!([]));
    assert_eq!(
        reference
            .run("return document.querySelectorAll('.failure').length;")
            .await,
        json!(0)
    );
    // A message leads to its answers, and they lead back.
    for (from, to) in [
        ("message-system_message", "message-job_queued"),
        ("message-job_queued", "message-retry_job"),
        ("message-system_message", "message-job_chunk"),
        ("message-error", "error-busy"),
        ("message-job_failed", "failure-worker_lost"),
    ] {
        reference
            .shows(&format!(
                "document.querySelector('#{from} .links a[href=\"#{to}\"]')"
            ))
            .await;
    }
    reference.is_quiet().await;
}

#[tokio::test]
async fn the_contents_follow_whoever_reads() {
    let reference = Reference::open().await;
    for id in [
        "message-job_queued",
        "codes-errors",
        "message-ping",
        "schema-TaskPayload",
    ] {
        reference
            .run(&format!(
                "document.querySelector('#toc a[href=\"#{id}\"]').click();"
            ))
            .await;
        reference
            .shows(&format!(
                "document.querySelector('#toc [aria-current]')?.hash === '#{id}'"
            ))
            .await;
        reference
            .shows(
                "document.querySelector('#toc [aria-current]').getBoundingClientRect().top < innerHeight",
            )
            .await;
    }
    reference.run("scrollTo(0, 0);").await;
    reference
        .shows("document.querySelector('#toc [aria-current]')?.hash === '#server-local'")
        .await;
}

#[tokio::test]
async fn a_few_letters_find_a_message_a_field_and_an_error() {
    let reference = Reference::open().await;
    let all = reference.found().await;
    reference.browser.press("/").await;
    reference
        .shows("document.activeElement.id === 'filter' && document.activeElement.value === ''")
        .await;
    for (words, found) in [
        (
            "idempotency",
            vec![
                "message-system_message",
                "schema-TaskPayload",
                "error-busy",
                "error-conflict",
            ],
        ),
        ("union_tag_invalid", vec!["error-union_tag_invalid"]),
        ("OVERLOAD", vec![]),
        ("come back 4010", vec!["close-4010"]),
        ("max_attempts whole", vec!["error-int_type"]),
    ] {
        reference
            .run("document.getElementById('filter').select();")
            .await;
        reference.browser.press(words).await;
        reference
            .shows(&format!(
                "document.getElementById('filter').value === {}",
                json!(words)
            ))
            .await;
        let shown = reference.found().await;
        for id in &found {
            assert!(
                shown.contains(*id),
                "{id} is not found by {words}: {shown:?}"
            );
        }
        assert!(shown.len() < all.len() / 3, "{words} finds {shown:?}");
        assert_eq!(
            shown.is_empty(),
            found.is_empty(),
            "{words} finds {shown:?}"
        );
        let said = "return document.getElementById('found').textContent;";
        let said = reference.run(said).await.as_str().unwrap().to_owned();
        let expected = match shown.len() {
            0 => "Nothing has these words.".to_owned(),
            1 => "1 place".to_owned(),
            count => format!("{count} places"),
        };
        assert_eq!(said, expected, "{words}");
        let contents = "return [...document.querySelectorAll('#toc a')].filter((link) => link.checkVisibility()).filter((link) => !document.getElementById(link.hash.slice(1)).checkVisibility()).length;";
        assert_eq!(reference.run(contents).await, json!(0));
    }
    // Whoever follows a link is shown where it leads, although it was not found.
    reference.run("location.hash = '#message-resume';").await;
    reference
        .shows("document.getElementById('message-resume').checkVisibility()")
        .await;
    assert_eq!(reference.found().await, all);
    reference.browser.press("/").await;
    reference.browser.press("pong").await;
    reference
        .shows("document.querySelector('main').classList.contains('filtered')")
        .await;
    reference.browser.press(ESCAPE).await;
    assert_eq!(reference.found().await, all);
    reference.is_quiet().await;
}

#[tokio::test]
async fn a_ping_and_a_job_are_tried_and_their_answers_come() {
    let reference = Reference::open().await;
    let watch = "
        window.sockets = 0;
        const Real = WebSocket;
        window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets += 1; } };
        window.kept = JSON.stringify(localStorage);";
    reference.run(watch).await;
    reference.click("#message-ping .first").await;
    reference.shows(CONNECTED).await;
    reference.click("#draft-send").await;
    reference.has_frame("pong").await;
    reference.click("#message-system_message .first").await;
    reference.click("#draft-send").await;
    reference.has_frame("job_result").await;
    reference.has_frame("ack").await;
    let frames = reference.frames().await;
    let frames: Vec<(&str, &str)> = frames
        .iter()
        .map(|(way, action)| (way.as_str(), action.as_str()))
        .collect();
    assert_eq!(
        frames,
        [
            ("note", ""),
            ("out", "resume"),
            ("in", "resumed"),
            ("out", "ping"),
            ("in", "pong"),
            ("out", "system_message"),
            ("in", "job_queued"),
            ("in", "job_result"),
            ("out", "ack"),
        ]
    );
    let alone = "return [window.sockets, JSON.stringify(localStorage) === window.kept];";
    assert_eq!(reference.run(alone).await, json!([1, true]));

    // Each leads to its place; they are shown by their kinds, in full, and not at all.
    let linked = "return [...document.querySelectorAll('.frame a')].map((link) => link.hash);";
    let linked: Vec<String> = serde_json::from_value(reference.run(linked).await).unwrap();
    assert_eq!(linked.len(), 8, "{linked:?}");
    assert!(linked.contains(&"#message-job_result".to_owned()));
    reference.choose("frames-kind", "job").await;
    assert_eq!(reference.frames().await.len(), 3);
    reference.click("#frames-pretty").await;
    reference
        .shows("[...document.querySelectorAll('.frame[data-kind=job] pre')].every((pre) => pre.textContent.includes('\\n  \"action\"'))")
        .await;
    reference.click(".frame[data-kind=job] button").await;
    reference
        .shows("document.querySelector('.frame[data-kind=job] pre').textContent.startsWith('{\"action\"')")
        .await;
    reference.click("#frames-clear").await;
    assert_eq!(reference.frames().await, []);

    // What the examples cannot know is put into them: here, the job.
    reference.choose("frames-kind", "all").await;
    reference.choose("draft-message", "retry_job").await;
    reference.click("#draft-send").await;
    reference.has_frame("error").await;
    reference
        .shows("document.querySelector('.frame a[href=\"#error-conflict\"]')")
        .await;
    reference.is_quiet().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_where_it_is_and_errors_lead_to_their_place() {
    let reference = Reference::open().await;
    reference.click("#tryit-toggle").await;
    reference.shows(CONNECTED).await;
    reference.has_frame("resumed").await;
    for (text, note) in [
        ("", "Line 1, column 1: there is nothing yet."),
        (
            "{\"action\": \"ping\",\n \"ref\" 7}",
            "Line 2, column 8: a colon is missing here.",
        ),
        (
            "{\"action\": \"ping\",}",
            "Line 1, column 19: no comma stands before }.",
        ),
        ("7", "Only an object can be sent from here."),
    ] {
        reference.write(text).await;
        assert_eq!(reference.note().await, note, "{text}");
        reference.click("#draft-send").await;
        assert_eq!(reference.frames().await.len(), 3, "{text} was sent");
    }
    reference
        .write(r#"{"action": "system_message", "payload": {"task_type": 5}}"#)
        .await;
    let note = reference.note().await;
    assert!(
        note.starts_with("payload.task_type should be a text."),
        "{note}"
    );
    reference.write(r#"{"action": "fly", "ref": "a"}"#).await;
    reference.click("#draft-send").await;
    reference.has_frame("error").await;
    reference
        .click(".frame a[href=\"#error-union_tag_invalid\"]")
        .await;
    reference
        .shows("document.querySelector('#error-union_tag_invalid:target')?.getBoundingClientRect().top < innerHeight / 2")
        .await;
    // The frames that the reference has for each error can be tried as well.
    reference
        .run("document.querySelector('#error-none_required details').open = true;")
        .await;
    reference.click("#error-none_required .try").await;
    reference.click("#draft-send").await;
    reference
        .shows("document.querySelector('.frame a[href=\"#error-none_required\"]')")
        .await;
    reference.is_quiet().await;
}

#[tokio::test]
async fn everything_can_be_tried_by_keyboard_alone() {
    let reference = Reference::open().await;
    reference.browser.press("/").await;
    reference.browser.press(TAB).await;
    reference
        .shows("document.activeElement.id === 'tryit-toggle'")
        .await;
    reference.browser.press(ENTER).await;
    reference.shows(CONNECTED).await;
    reference
        .shows("document.activeElement.id === 'draft-text'")
        .await;
    reference.press_with_control(ENTER).await;
    reference.has_frame("pong").await;
    let mut reached = BTreeSet::new();
    for _ in 0..12 {
        reference.browser.press(TAB).await;
        let focused = reference.run("return document.activeElement.id;").await;
        reached.insert(focused.as_str().unwrap().to_owned());
    }
    for id in [
        "draft-send",
        "draft-tidy",
        "frames-kind",
        "frames-pretty",
        "frames-clear",
        "frames-scroller",
    ] {
        assert!(reached.contains(id), "{id} is not among {reached:?}");
    }
    reference.browser.press(ESCAPE).await;
    reference
        .shows("document.getElementById('tryit').hidden && document.activeElement.id === 'tryit-toggle'")
        .await;
    reference.browser.press(ENTER).await;
    reference
        .shows("document.activeElement.id === 'draft-text' && document.querySelectorAll('.frame').length === 5")
        .await;
}

#[tokio::test]
async fn the_panel_shuts_nobody_out_and_fits_a_phone() {
    let reference = Reference::open().await;
    reference.click("#message-submit_jobs .first").await;
    reference.shows(CONNECTED).await;
    reference.write(r#"{"action": "fly"}"#).await;
    reference.click("#draft-send").await;
    reference.has_frame("error").await;
    assert_eq!(reference.browser.barriers().await, Vec::<String>::new());
    reference.browser.darken().await;
    assert_eq!(reference.browser.barriers().await, Vec::<String>::new());
    reference.browser.resize(375, 700).await;
    let wide = "
        const width = document.documentElement.clientWidth;
        const over = [...document.querySelectorAll('main *, #tryit, #tryit *')].filter((part) => {
            const box = part.getBoundingClientRect();
            return box.width > 1 && box.height > 1 && part.checkVisibility() && (box.right > width + 1 || box.left < -1);
        });
        return [width, document.documentElement.scrollWidth, over.filter((part) => !part.closest('thead, .visually-hidden')).map((part) => `${part.tagName} ${part.id}`)];";
    assert_eq!(reference.run(wide).await, json!([375, 375, []]));
    assert_eq!(reference.browser.barriers().await, Vec::<String>::new());
    // There the panel covers the page: whoever follows a link wants to see the page.
    reference
        .click(".frame a[href=\"#error-union_tag_invalid\"]")
        .await;
    reference
        .shows("document.getElementById('tryit').hidden && document.querySelector('#error-union_tag_invalid:target')")
        .await;
    assert_eq!(reference.run(wide).await, json!([375, 375, []]));
    reference.is_quiet().await;
}
