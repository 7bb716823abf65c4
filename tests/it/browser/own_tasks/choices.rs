//! Values that a schema lists, to choose from.

use serde_json::json;

use super::{asking, stored};

#[tokio::test]
async fn what_a_schema_lists_is_chosen_from_and_can_be_told_apart() {
    let documented = json!([
        {"description": "Skips the checks", "type": "string", "const": "fast"},
        {"type": "string", "enum": ["slow", "slower"]},
    ]);
    let schema = json!({
        "type": "object",
        "properties": {
            "speed": {"oneOf": documented},
            "pace": {"anyOf": [{"oneOf": documented}, {"type": "null"}], "default": null},
            "mixed": {"enum": [1, "1", "", "a"]},
            "void": {"enum": ["", "a"]},
            "maybe": {"type": ["string", "null"], "enum": ["x", null]},
            "fixed": {"const": 7},
            "loud": {"type": ["boolean"]},
            "word": {"type": ["string"]},
        },
        "required": ["speed", "fixed", "loud"],
    });
    let (database, _gateway, browser) = asking(&[("ask", schema)]).await;
    browser.choose("ask").await;
    let options = "return [...document.querySelectorAll('.field')].map((field) =>
        [...(field.querySelector('select')?.options ?? [field.querySelector('input, textarea')])].map((one) => one.text ?? one.className ?? one.type));";
    let described = "fast – Skips the checks";
    let expected = json!([
        ["", described, "slow", "slower"],
        ["", described, "slow", "slower", "null"],
        ["", "1", r#""1""#, r#""""#, r#""a""#],
        ["", r#""""#, r#""a""#],
        ["", "x", "null"],
        ["", "7"],
        [""],
        ["prose"],
    ]);
    assert_eq!(browser.run(options).await, expected);
    let chosen =
        "return [...document.querySelectorAll('.field select')].map(({ value }) => value);";
    assert_eq!(
        browser.run(chosen).await,
        json!(["", "null", "", "", "", "7"])
    );
    browser.send().await;
    browser
        .shows("document.getElementById('status').textContent === 'Fill in speed first.'")
        .await;
    browser.fill("speed", "fast").await;
    browser.fill("mixed", "\"1").await;
    browser.fill("maybe", "null").await;
    browser.send().await;
    let said = json!({"speed": "fast", "mixed": "1", "maybe": null, "fixed": 7, "loud": false});
    stored(&database, "ask", &said).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
