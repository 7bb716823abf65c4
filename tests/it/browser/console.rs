//! The operator's console: how everything is, which jobs there are, the story of each, and what is done with many.

mod bulk;
mod list;
mod overview;
mod shards;
mod story;

use fantoccini::Locator;
use serde_json::{Value, json};

use super::session::Browser;
use crate::support::{Api, Program, TestDatabase};

const LIVE: &str = "document.querySelector('#feed').textContent === 'Live'";

/// A gateway, a worker whose tasks misbehave, and the console.
struct Console {
    database: TestDatabase,
    _worker: Program,
    _gateway: Program,
    api: Api,
    browser: Browser,
}

impl Console {
    /// With this view open, and live.
    async fn at(hash: &str) -> Self {
        let database = TestDatabase::new().await;
        let worker = Program::unruly(&database).await;
        let gateway = Program::serve(&database, &[]).await;
        let browser = Browser::at(&gateway, &format!("/jobs/{hash}")).await;
        browser.shows(LIVE).await;
        Self {
            api: Api::of(&gateway),
            database,
            _worker: worker,
            _gateway: gateway,
            browser,
        }
    }

    /// Goes where a link to this view leads.
    async fn go(&self, hash: &str) {
        self.browser
            .run(&format!("location.hash = '{hash}';"))
            .await;
    }

    async fn shows(&self, expression: &str) {
        self.browser.shows(expression).await;
    }

    /// Waits until the first such element has this text in it.
    async fn says(&self, selector: &str, text: &str) {
        self.browser
            .shows(&format!(
                "document.querySelector({})?.textContent.includes({})",
                json!(selector),
                json!(text)
            ))
            .await;
    }

    async fn text(&self, selector: &str) -> String {
        let script = format!(
            "return document.querySelector({})?.textContent ?? '';",
            json!(selector)
        );
        self.browser.run(&script).await.as_str().unwrap().to_owned()
    }

    /// Clicks the first such element, when it is there.
    async fn click(&self, selector: &str) {
        self.browser
            .shows(&format!("document.querySelector({})", json!(selector)))
            .await;
        let element = self.browser.page.find(Locator::Css(selector)).await;
        element.unwrap().click().await.unwrap();
    }

    /// Clicks the button or link within `place` that begins with this text, when it is to be seen.
    async fn press_button(&self, place: &str, text: &str) {
        let path = format!(
            "//*[contains(concat(' ', @class, ' '), ' {place} ')]//*[self::a or self::button][not(@hidden)][starts-with(., '{text}')]"
        );
        let found = self.browser.page.wait().for_element(Locator::XPath(&path));
        found.await.unwrap().click().await.unwrap();
    }

    /// The jobs on the page, as their links say.
    async fn listed(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('.jobs .cell-job a')].map((link) => link.hash.slice(7));";
        serde_json::from_value(self.browser.run(script).await).unwrap()
    }

    /// Waits until the list has this many jobs and looks for no more.
    async fn lists(&self, count: usize) {
        self.shows(&format!(
            "document.querySelectorAll('.jobs tbody tr').length === {count}
                && !document.querySelector('.looked').textContent.startsWith('Looking')"
        ))
        .await;
    }

    async fn hash(&self) -> Value {
        self.browser.run("return location.hash;").await
    }

    async fn complains_of_nothing(&self) {
        assert_eq!(self.browser.complaints().await, Vec::<String>::new());
    }
}

/// Everything a person can write, with an element in it that must not become one.
const MARKUP: &str = "<i class=\"evil\">x</i>";

#[tokio::test]
async fn markup_in_any_field_makes_no_element_in_any_view() {
    let console = Console::at("#/").await;
    let database = &console.database;
    let running = console
        .api
        .submit_as(&json!({"task_type": "hold", "content": "60", "concurrency_key": MARKUP}))
        .await;
    let failed = console.api.submit("fail", MARKUP).await;
    console.api.finished(&failed).await;
    for statement in [
        format!(
            "update ringback.job_history set error = '{MARKUP}', owner = '{MARKUP}', task_type = '{MARKUP}', queue = '{MARKUP}'"
        ),
        format!(
            "insert into ringback.job_event (job_id, attempt, seq, text) values ('{failed}', 1, 1, '{MARKUP}')"
        ),
        format!("insert into ringback.queue (name, paused_at) values ('{MARKUP}', now())"),
        format!(
            "insert into ringback.task (name, queue, max_attempts) values ('{MARKUP}', 'default', 5)"
        ),
        format!("update ringback.worker set host = '{MARKUP}', version = '{MARKUP}'"),
        // One of whom nothing more is heard, which would say otherwise.
        format!(
            "insert into ringback.worker (id, host, pid, version, queues, concurrency, circuits) values
                 (gen_random_uuid(), 'b', 1, '1', '{{}}', 1, jsonb_build_array(jsonb_build_object(
                     'task', '{MARKUP}', 'failures', 5, 'until', now() + interval '1 minute')))"
        ),
        format!("update ringback.gateway set host = '{MARKUP}', listen = '{MARKUP}'"),
        format!(
            "select ringback.enqueue('{MARKUP}', content => '{MARKUP}', owner => '{MARKUP}', delay => '1 hour')"
        ),
        format!(
            "update ringback.job set progress = jsonb_build_object('percent', 5, 'note', '{MARKUP}') where id = '{running}'"
        ),
    ] {
        database.execute(&statement).await;
    }
    // When the feed has it: the host of a process that is on the page does not change.
    console.says(".queues", MARKUP).await;
    console.browser.page.refresh().await.unwrap();
    console.says("#workers", MARKUP).await;
    console.says("#gateways", MARKUP).await;
    let paused = "[...document.querySelectorAll('#workers .circuits li')].map((paused) => paused.textContent)";
    let said = format!(
        "{paused}.some((text) => text.startsWith({}) && text.endsWith('after 5 failures'))",
        json!(format!("{MARKUP}: paused until "))
    );
    console.shows(&said).await;
    console.says(".queues", MARKUP).await;
    let no_element = "return document.querySelector('.evil') === null;";
    assert_eq!(console.browser.run(no_element).await, json!(true));

    console.go("#/jobs").await;
    console.lists(3).await;
    for cell in [".content", ".why", ".cell-owner"] {
        let found = format!(
            "[...document.querySelectorAll('{cell}')].some((cell) => cell.textContent.includes({}))",
            json!(MARKUP)
        );
        console.shows(&found).await;
    }
    console.shows(&format!("[...document.querySelectorAll('#known-tasks option')].some((option) => option.value === {})", json!(MARKUP))).await;
    assert_eq!(console.browser.run(no_element).await, json!(true));

    console.go(&format!("#/jobs/{failed}")).await;
    for place in [
        "h1",
        ".value-of-job pre",
        ".value-of-job[data-tone=bad] pre",
        ".said pre",
        ".facts-of-job",
        ".timeline",
    ] {
        console.says(place, MARKUP).await;
    }
    console.go(&format!("#/jobs/{running}")).await;
    console.says(".progress", MARKUP).await;
    console.says(".facts-of-job", MARKUP).await;
    assert_eq!(console.browser.run(no_element).await, json!(true));
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn every_view_can_be_used_by_everyone_in_the_light_and_in_the_dark() {
    let console = Console::at("#/").await;
    let failed = console.api.submit("late", "5").await;
    console.api.submit("story", "40").await;
    console.api.finished(&failed).await;
    for dark in [false, true] {
        if dark {
            console.browser.darken().await;
        }
        console.go("#/").await;
        console.says("#workers .card", "slots in use").await;
        assert_eq!(console.browser.barriers().await, Vec::<String>::new());
        console.go("#/jobs").await;
        console.lists(2).await;
        assert_eq!(console.browser.barriers().await, Vec::<String>::new());
        console.click(".cell-select input").await;
        console.press_button("bulk", "Retry").await;
        console.says("dialog h2", "Retry 1 job?").await;
        assert_eq!(console.browser.barriers().await, Vec::<String>::new());
        console.press_button("confirm", "Not now").await;
        console.go(&format!("#/jobs/{failed}")).await;
        console.says(".timeline", "Attempt 2 failed").await;
        assert_eq!(console.browser.barriers().await, Vec::<String>::new());
    }
    console.browser.resize(375, 700).await;
    for hash in ["#/", "#/jobs", &format!("#/jobs/{failed}")] {
        console.go(hash).await;
        console
            .shows("document.querySelector('h1') && document.documentElement.scrollWidth <= 375")
            .await;
    }
    assert_eq!(console.browser.other_hosts().await, Vec::<String>::new());
    console.complains_of_nothing().await;
}
