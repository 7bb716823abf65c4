//! Fields that are empty: what that means is said, and sent so.

use serde_json::{Value, json};

use super::{BACKSPACE, asking, stored};

#[tokio::test]
async fn what_an_empty_field_means_is_said_and_sent() {
    let schema = json!({
        "type": "object",
        "properties": {
            "age": {"type": ["integer", "null"], "default": 10},
            "count": {"type": "integer", "default": 10},
            "motto": {"type": "string", "default": "hm"},
            "nick": {"type": ["string", "null"], "default": "nn"},
            "big": {"type": "integer", "default": 9_007_199_254_740_993_u64},
            "name": {"type": "string"},
            "alias": {"type": ["string", "null"]},
            "title": {"type": "string", "minLength": 1},
        },
        "required": ["name", "alias", "title"],
    });
    let (database, _gateway, browser) = asking(&[
        ("ask", schema),
        ("maybe", json!({"type": ["integer", "null"]})),
        ("either", json!({"enum": ["x", null]})),
        ("any", json!({"type": ["string", "integer", "null"]})),
    ])
    .await;
    browser.choose("ask").await;
    let says = |text: &str| format!("document.getElementById('status').textContent === '{text}'");
    let nothing = "Empty means null.";
    let big = "Empty means the task’s default, which a browser cannot show exactly.";
    assert_eq!(
        browser.said("empty").await,
        json!([["big", big], ["alias", nothing]])
    );
    let required = "return [...document.querySelectorAll('[aria-required=true]')].map((one) => one.labels[0].textContent);";
    assert_eq!(browser.run(required).await, json!(["name", "title"]));

    // Nobody sends an empty text without being asked; what nobody touches is left to the task.
    browser.send().await;
    let ask = "name is empty. Submit once more to send an empty text.";
    browser.shows(&says(ask)).await;
    let missing = "Fill in title first.";
    assert_eq!(
        browser.said("wrong").await,
        json!([["name", ask], ["title", missing]])
    );
    browser.send().await;
    browser.shows(&says(missing)).await;
    browser.fill("title", "t").await;
    browser.send().await;
    let untouched = json!({"name": "", "alias": null, "title": "t"});
    stored(&database, "ask", &untouched).await;

    for name in ["age", "count", "motto", "nick"] {
        browser.fill(name, BACKSPACE).await;
    }
    let text = "Empty means an empty text.";
    let said = json!([
        ["age", nothing],
        ["count", "Empty means 10."],
        ["motto", text],
        ["nick", nothing],
        ["big", big],
        ["alias", nothing],
    ]);
    assert_eq!(browser.said("empty").await, said);
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    browser
        .run("for (const other of document.querySelectorAll('.field .plain')) if (other.checkVisibility()) other.click();")
        .await;
    let said = browser.said("empty").await;
    assert_eq!(
        [&said[3], &said[5]],
        [&json!(["nick", text]), &json!(["alias", text])]
    );
    browser.fill("name", "x").await;
    browser.fill("title", "t").await;
    browser.send().await;
    let emptied =
        json!({"age": null, "motto": "", "nick": "", "name": "x", "alias": "", "title": "t"});
    stored(&database, "ask", &emptied).await;

    // The whole may be null as well.
    browser.choose("maybe").await;
    assert_eq!(browser.said("empty").await, json!([["Input", nothing]]));
    browser.send().await;
    stored(&database, "maybe", &Value::Null).await;
    browser.choose("either").await;
    browser.send().await;
    browser.shows(&says("Fill in Input first.")).await;
    browser.fill("Input", "null").await;
    browser.send().await;
    stored(&database, "either", &Value::Null).await;
    browser.choose("any").await;
    browser.fill("Input", "null").await;
    browser.send().await;
    let untold = "A browser cannot send null where an empty text may be meant as well.";
    browser.shows(&says(untold)).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
