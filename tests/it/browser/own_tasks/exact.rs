//! What is sent is what is written, or nothing is.

use serde_json::json;

use super::{asking, stored};

/// The numbers that a browser would change and that are not refused, and those that it would not and that are.
const REFUSED_NUMBERS: &str = "
    return import('/static/system/exact.js').then(({ exactNumber }) => {
        const isSent = (text) => {
            try {
                exactNumber('n', text);
                return true;
            } catch {
                return false;
            }
        };
        const changed = ['9007199254740993', '9007199254740993.0', '9007199254740993e0', '900719925474099.3e1',
            '12345678901234567890.5', '0.12345678901234567890', '1e-400', '-1e-400', '1e400', '-0', '-0.0e5', 'x', ''];
        const kept = ['0', '0.0', '7', '-7', '007', '1.50', '0.1', '1e2', '1E+2', '100e-2', '5e-324', '1e21',
            '9007199254740992', '1.7976931348623157e308'];
        return [changed.filter(isSent), kept.filter((text) => !isSent(text))];
    });";

/// The same of JSON.
const REFUSED_JSON: &str = r#"
    return import('/static/system/exact.js').then(({ exactJson }) => {
        const isSent = (text) => {
            try {
                return JSON.stringify(exactJson('n', text)) === JSON.stringify(JSON.parse(text));
            } catch {
                return false;
            }
        };
        const changed = ['[9007199254740993.0]', '{"a": -0}', '[1e-400]', '{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 2, "a": 3}}]',
            '{"a": 1, "\\u0061": 2}', '{"__proto__": 1, "__proto__": 2}', '{"": 1, "": 1}'];
        const kept = ['{"a": {"a": 1}, "b": {"a": 1}}', '[{"a": 1}, {"a": 2}]', '{"a": "b", "b": "a"}', '"-0: 1e-400"',
            '{"a": "\\"x\\":", "x": ["a", "a"]}', '[0, 1.5, -2e3]', 'null'];
        return [changed.filter(isSent), kept.filter((text) => !isSent(text))];
    });"#;

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
    assert_eq!(browser.run(REFUSED_NUMBERS).await, json!([[], []]));
    assert_eq!(browser.run(REFUSED_JSON).await, json!([[], []]));
    browser.choose("ask").await;
    let kinds = "return [...document.querySelectorAll('.field :is(input, select, textarea)')].map(({ type, className }) => className || type);";
    let expected = json!([
        "prose",
        "prose",
        "number",
        "select-one",
        "checkbox",
        "prose",
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
    browser.fill("tree", r#"{"a": 1, "\u0061": 2}"#).await;
    browser.send().await;
    browser
        .shows("document.getElementById('status').textContent.includes('tree has the key \"\\\\u0061\" twice')")
        .await;
    browser.fill("tree", "[[]]").await;
    browser.send().await;
    // What nobody has touched is left to the task, which has it by its default.
    let mut said = json!({"constructor": "a", "toString": 7, "sure": false, "tree": [[]]});
    said["__proto__"] = json!("b");
    stored(&database, "ask", &said).await;

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
    let said = json!({"constructor": "a", "toString": 1, "sure": true, "note": null});
    stored(&database, "ask", &said).await;

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
