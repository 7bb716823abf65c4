//! Texts of several lines.

use fantoccini::Locator;
use serde_json::json;

use super::super::session::ENTER;
use super::outline;
use crate::support::{DataDir, TestDatabase};

/// The names of keys that are held: those after them are pressed meanwhile, until the last of these.
const SHIFT: &str = "\u{e008}";
const CONTROL: &str = "\u{e009}";
const LET_GO: &str = "\u{e000}";

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

    // Also in a form, and where a text should have one line.
    let kept = r#"
        const one = { type: "string", maxLength: 9 };
        const properties = { code: { ...one, default: "a\r\nb" }, word: { ...one, format: "word" }, short: one };
        fields.show("a", { type: "object", properties, required: ["code"] });
        const first = fields.read();
        const given = { code: "c\r\nd", word: "e\nf\r\ng" };
        fields.write(given);
        const second = fields.read();
        control("word").value += "!";
        return [first, second, fields.read().word, control("short").tagName];"#;
    let expected = json!([
        {"code": "a\r\nb"},
        {"code": "c\r\nd", "word": "e\nf\r\ng"},
        "e\nf\ng!",
        "TEXTAREA"
    ]);
    assert_eq!(browser.in_a_form(kept).await, expected);
}
