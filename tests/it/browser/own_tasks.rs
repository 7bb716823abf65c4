//! Tasks of one's own on the pages: a form for what they work on, and their schemas on the message reference.

mod choices;
mod chosen;
mod drafts;
mod empty;
mod exact;
mod lines;

use fantoccini::Locator;
use serde_json::{Value, json};

use super::session::{Browser, ENTER};
use super::system::CONNECTED;
use crate::examples::run;
use crate::support::{DataDir, Program, TestDatabase, eventually};

/// The name of the key that deletes what is selected.
const BACKSPACE: &str = "\u{e003}";

/// What is asked with this task's name on the page.
const CHOSEN: &str = "document.querySelector('.tasks input:checked').value";

/// The outline example, and a browser that shows the page and knows who can run what.
async fn outline(database: &TestDatabase, folder: &DataDir) -> (Program, Program, Browser) {
    let (gateway, worker) = run("outline", database, folder).await;
    eventually("the worker should be known", async || {
        database.count("ringback.worker where tasks <> '{}'").await == 1
    })
    .await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser
        .shows(&format!(
            "document.querySelectorAll('.tasks label').length === 2 && {CHOSEN} === 'outline'"
        ))
        .await;
    (gateway, worker, browser)
}

/// A gateway that knows tasks which work on this, and a browser that shows its page.
async fn asking(tasks: &[(&str, Value)]) -> (TestDatabase, Program, Browser) {
    let database = TestDatabase::new().await;
    for (name, input) in tasks {
        database
            .execute(&format!(
                "insert into ringback.task (name, queue, max_attempts, input_schema, output_schema)
                 values ('{name}', 'default', 1, '{input}', '{{}}')"
            ))
            .await;
    }
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    (database, gateway, browser)
}

/// Another gateway in the place of this one, so that the page asks again which tasks there are.
async fn replaced(database: &TestDatabase, gateway: &mut Program, browser: &Browser) -> Program {
    let address = gateway.address();
    gateway.kill();
    browser
        .shows("document.querySelector('#connection[data-state=reconnecting]')")
        .await;
    let next = Program::start(database, &["serve", "--listen", &address]);
    next.printed("serving").await;
    browser.shows(CONNECTED).await;
    next
}

/// Waits until a job of this task is stored that works on this.
async fn stored(database: &TestDatabase, task: &str, input: &Value) {
    eventually(&format!("{input} should be stored"), async || {
        let stored =
            format!("ringback.job where task = '{task}' and input::jsonb = '{input}'::jsonb");
        database.count(&stored).await == 1
    })
    .await;
}

impl Browser {
    async fn choose(&self, task: &str) {
        let label = format!(".tasks label:has(input[value={task}])");
        self.shows(&format!("document.querySelector('{label}')"))
            .await;
        let label = self.page.find(Locator::Css(&label)).await.unwrap();
        label.click().await.unwrap();
    }

    /// Writes in the field that is called so, over what is there.
    async fn fill(&self, name: &str, text: &str) {
        let field = format!(
            "[...document.querySelectorAll('.field')].find((field) => field.querySelector('.label').textContent.split(' ')[0] === '{name}')
                ?.querySelector('input, select, textarea')"
        );
        self.shows(&field).await;
        self.run(&format!(
            "const field = {field}; field.focus(); field.select?.();"
        ))
        .await;
        self.page
            .active_element()
            .await
            .unwrap()
            .send_keys(text)
            .await
            .unwrap();
    }

    /// What is written in the fields, by their names.
    async fn written(&self) -> Value {
        self.run(
            "return [...document.querySelectorAll('.field')].map((field) =>
                [field.querySelector('.label').textContent.split(' ')[0], field.querySelector('input, select, textarea').value]);",
        )
        .await
    }

    /// What those say that have this class in its field.
    async fn said(&self, class: &str) -> Value {
        self.run(&format!(
            "return [...document.querySelectorAll('.field')].map((field) =>
                [field.querySelector('.label').textContent.split(' ')[0], field.querySelector('.{class}').textContent]).filter(([, text]) => text);"
        ))
        .await
    }

    /// What an async function with this body returns, which knows the class of the form and a place for one.
    async fn in_a_form(&self, body: &str) -> Value {
        self.run(&format!(
            "return import('/static/system/fields.js').then(async ({{ Fields }}) => {{
                const place = document.createElement('div');
                const fields = new Fields(place);
                const control = (name) => [...place.querySelectorAll('.field')]
                    .find((field) => field.querySelector('.label').textContent.split(' ')[0] === name)
                    .querySelector('input, select, textarea');
                {body}
            }});"
        ))
        .await
    }

    async fn send(&self) {
        let send = self.page.find(Locator::Id("send")).await.unwrap();
        send.click().await.unwrap();
    }

    /// Has this sent again, as what an earlier page had no answer to, and writes it again once it is refused.
    async fn write_again(&self, task: &str, work: &Value) {
        let entries =
            json!([{"key": format!("{task} again"), "task": task, "work": work, "at": 1}]);
        let entries = json!(entries.to_string());
        // Until then the page itself still writes there.
        self.shows("(sessionStorage.getItem('ringback outbox') ?? '[]') === '[]'")
            .await;
        self.run(&format!(
            "sessionStorage.setItem('ringback outbox', {entries});"
        ))
        .await;
        self.page.refresh().await.unwrap();
        self.until_phase("refused", 1).await;
        // By then it is known what tasks work on.
        self.shows("[...document.querySelectorAll('.tasks input')].some(({ value }) => ['outline', 'ask'].includes(value))")
            .await;
        self.run("[...document.querySelectorAll('.card button')].find((button) => button.textContent === 'Write it again' && button.checkVisibility()).click();")
            .await;
    }
}

#[tokio::test]
async fn a_task_that_works_on_more_than_a_text_has_a_form() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (gateway, _worker, browser) = outline(&database, &folder).await;
    // Nothing of the demonstration, and the first of the tasks is chosen.
    browser
        .shows(
            "[...document.querySelectorAll('.tasks label')].map((label) => label.textContent).join() === 'outline,shout'
                && document.querySelector('.tasks input:checked').value === 'outline'
                && document.getElementById('ideas').hidden && document.getElementById('content').hidden",
        )
        .await;
    let labels =
        "return [...document.querySelectorAll('.field .label')].map((label) => label.textContent)";
    let labels = browser.run(labels).await;
    assert_eq!(labels, json!(["markdown", "shout (optional)"]));

    let find = async |selector: &str| browser.page.find(Locator::Css(selector)).await.unwrap();
    browser.fill("markdown", "# A title").await;
    browser.fill("shout", "true").await;
    browser.send().await;
    let shown = browser.until_phase("succeeded", 1).await;
    let content: Value = serde_json::from_str(shown[0]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"markdown": "# A title", "shout": true}));
    let outcome = r#"[{"depth":1,"title":"A title","words":0}]"#;
    assert_eq!(shown[0]["outcome"], outcome);
    // What it is asked with next is as it was at first.
    browser
        .shows("document.querySelector('.field textarea').value === '' && document.querySelector('.field select').value === 'false'")
        .await;

    // Another one works on a text, and has the line.
    browser.choose("shout").await;
    let line = find("#content").await;
    line.send_keys(&format!("hello{ENTER}")).await.unwrap();
    let shown = browser.until_phase("succeeded", 2).await;
    assert_eq!(shown[1]["outcome"], "HELLO");

    browser
        .page
        .goto(&format!("http://{}/asyncapi/docs/", gateway.address()))
        .await
        .unwrap();
    browser
        .shows(
            "[...document.querySelectorAll('.group')].find((group) => group.querySelector('h2').textContent === 'Tasks')
                ?.textContent.includes('markdown')",
        )
        .await;
}

#[tokio::test]
async fn a_task_that_works_on_nothing_has_no_field() {
    let tasks = [("tick", json!({"type": "null"}))];
    let (database, _gateway, browser) = asking(&tasks).await;
    browser.choose("tick").await;
    browser
        .shows("!document.querySelector('.field') && !document.getElementById('content').checkVisibility()")
        .await;
    browser.send().await;
    eventually("a job should be stored", async || {
        database
            .count("ringback.job where task = 'tick' and input::text = 'null'")
            .await
            == 1
    })
    .await;
    assert_eq!(
        browser.run("return document.activeElement.id;").await,
        "send"
    );
}
