//! Tasks of one's own on the pages: a form for what they work on, and their schemas on the message reference.

use fantoccini::Locator;
use serde_json::{Value, json};

use super::session::{Browser, ENTER};
use super::system::CONNECTED;
use crate::examples::run;
use crate::support::{DataDir, Program, TestDatabase, eventually};

/// The names of keys that are held: those after them are pressed meanwhile, until the last of these.
const SHIFT: &str = "\u{e008}";
const CONTROL: &str = "\u{e009}";
const LET_GO: &str = "\u{e000}";

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
async fn the_chosen_task_stays_when_nobody_can_run_it_any_more_and_one_that_is_not_offered_can_be_chosen()
 {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (mut gateway, _worker, browser) = outline(&database, &folder).await;
    browser.write_again("whisper", &json!("psst")).await;
    browser
        .shows(&format!(
            "{CHOSEN} === 'whisper' && document.getElementById('content').value === 'psst'
                && document.getElementById('status').textContent === 'whisper: there is no such task now.'"
        ))
        .await;

    browser.choose("shout").await;
    browser
        .run("const line = document.getElementById('content'); line.focus(); line.select();")
        .await;
    browser.press("hello").await;
    browser.press_shift_tab().await;
    database
        .execute("update ringback.worker set tasks = '{outline}'")
        .await;
    let _gateway = replaced(&database, &mut gateway, &browser).await;
    // It says so, to the eye and to the ear.
    browser
        .shows(&format!(
            "{CHOSEN} === 'shout' && document.querySelector('.tasks input:checked').title.includes('no worker')
                && document.getElementById('status').textContent.includes('shout: no worker')"
        ))
        .await;
    let focused = browser
        .run("return document.activeElement.value ?? document.activeElement.tagName;")
        .await;
    assert_eq!(focused, "shout");
    browser
        .run("document.getElementById('content').focus();")
        .await;
    browser.press(ENTER).await;
    eventually("the words should be a job of shout", async || {
        database
            .count("ringback.jobs where task = 'shout' and content = 'hello'")
            .await
            == 1
    })
    .await;
}

#[tokio::test]
async fn what_was_typed_stays_with_its_task_and_with_its_field() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (mut gateway, _worker, browser) = outline(&database, &folder).await;
    browser.fill("shout", "true").await;
    browser.fill("markdown", "# A title").await;
    let typed = json!([["markdown", "# A title"], ["shout", "true"]]);
    browser.choose("shout").await;
    browser
        .shows("document.getElementById('content').checkVisibility()")
        .await;
    browser.choose("outline").await;
    assert_eq!(browser.written().await, typed);

    // Also where the schema is another one by the next connection.
    browser.fill("markdown", "# A title").await;
    let schema = json!({"type": "object", "properties": {
        "depth": {"type": "integer", "default": 3},
        "shout": {"type": "integer"},
        "markdown": {"type": "string"},
    }});
    database
        .execute(&format!(
            "update ringback.task set input_schema = '{schema}' where name = 'outline'"
        ))
        .await;
    let _gateway = replaced(&database, &mut gateway, &browser).await;
    browser
        .shows("document.querySelectorAll('.field').length === 3")
        .await;
    let fits = json!([["depth", "3"], ["shout", ""], ["markdown", "# A title"]]);
    assert_eq!(browser.written().await, fits);
    let focused = browser.run("return document.activeElement.value;").await;
    assert_eq!(focused, "# A title");
}

#[tokio::test]
async fn a_text_has_as_many_lines_as_one_writes() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (_gateway, _worker, browser) = outline(&database, &folder).await;
    let text = format!("# One{ENTER}two words{CONTROL}{ENTER}{LET_GO}");
    browser.fill("markdown", &text).await;
    let shown = browser.until_phase("succeeded", 1).await;
    let outcome = r#"[{"depth":1,"title":"One","words":2}]"#;
    assert_eq!(shown[0]["outcome"], outcome);

    browser.choose("shout").await;
    let line = browser.page.find(Locator::Id("content")).await.unwrap();
    let lines = format!("one{SHIFT}{ENTER}{LET_GO}two{ENTER}");
    line.send_keys(&lines).await.unwrap();
    let shown = browser.until_phase("succeeded", 2).await;
    assert_eq!(shown[1]["outcome"], "ONE\nTWO");

    // What is written again is what it was.
    let text = "one\r\ntwo\n";
    browser.write_again("whisper", &json!(text)).await;
    browser.send().await;
    browser.until_phase("refused", 2).await;
    let texts = "return [...document.querySelectorAll('.card[data-phase=refused] .content')].map(({ textContent }) => textContent);";
    assert_eq!(browser.run(texts).await, json!([text, text]));
}

#[tokio::test]
async fn nothing_of_an_input_is_changed_or_left_out_in_silence() {
    let schema = json!({
        "type": "object",
        "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "properties": {
            "constructor": {"type": "string", "maxLength": 50},
            "__proto__": {"type": "string", "maxLength": 50},
            "toString": {"type": "integer", "minimum": 0},
            "loud": {"type": "boolean"},
            "sure": {"type": "boolean"},
            "note": {"type": ["string", "null"], "default": "hm", "maxLength": 50},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "required": ["constructor", "sure"],
    });
    let either = json!({
        "type": "object",
        "properties": {"kind": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    });
    let (database, _gateway, browser) = asking(&[("ask", schema), ("either", either)]).await;
    let stored = async |input: Value| {
        eventually(&format!("{input} should be stored"), async || {
            let stored = format!("ringback.job where input::jsonb = '{input}'::jsonb");
            database.count(&stored).await == 1
        })
        .await;
    };
    browser.choose("ask").await;
    let kinds = "return [...document.querySelectorAll('.field :is(input, select, textarea)')].map(({ type, className }) => className || type);";
    let expected = json!([
        "text",
        "text",
        "number",
        "select-one",
        "checkbox",
        "text",
        "json"
    ]);
    assert_eq!(browser.run(kinds).await, expected);
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    browser.fill("constructor", "a").await;
    browser.fill("__proto__", "b").await;
    browser.fill("toString", "9007199254740993").await;
    browser.send().await;
    let refusal = "document.getElementById('status').textContent.includes('cannot send 9007199254740993 exactly')";
    browser.shows(refusal).await;
    browser.fill("toString", "7").await;
    browser.fill("tree", "[[9007199254740993]]").await;
    browser.send().await;
    browser.shows(refusal).await;
    browser.fill("tree", "[[]]").await;
    browser.send().await;
    let mut said =
        json!({"constructor": "a", "toString": 7, "sure": false, "note": "hm", "tree": [[]]});
    said["__proto__"] = json!("b");
    stored(said).await;

    // A null that somebody has written stays one, and it is easy to see what was wrong.
    let refused = json!({"constructor": "a", "toString": -1, "sure": true, "note": null});
    browser.write_again("ask", &refused).await;
    let wrong = "
        const wrong = [...document.querySelectorAll('[aria-invalid=true]')];
        return wrong.map((one) => [one.value, one === document.activeElement, one.ariaDescribedByElements.at(-1).textContent]);";
    let wrong = browser.run(wrong).await;
    assert_eq!(wrong[0][0], "-1");
    assert_eq!(wrong[0][1], true);
    assert!(wrong[0][2].as_str().unwrap().contains("minimum"), "{wrong}");
    browser.darken().await;
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    browser.fill("toString", "1").await;
    browser.send().await;
    stored(json!({"constructor": "a", "toString": 1, "sure": true, "note": null})).await;

    // What there is no field for is not dropped, and what a form would hide has none.
    browser
        .run("document.getElementById('clear').click();")
        .await;
    let more = json!({"constructor": 5, "toString": 1, "more": [1]});
    browser.write_again("ask", &more).await;
    assert_eq!(
        browser.written().await,
        json!([["Input", more.to_string()]])
    );
    browser.choose("either").await;
    assert_eq!(browser.written().await, json!([["Input", ""]]));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
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
