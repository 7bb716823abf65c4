//! What was typed and not sent: it stays, or is said.

use serde_json::{Value, json};

use super::{outline, replaced};
use crate::support::{DataDir, TestDatabase};

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
    browser.fill("markdown", "# A\ntitle").await;
    browser
        .run("document.activeElement.setSelectionRange(2, 5);")
        .await;
    let schema = json!({"type": "object", "properties": {
        "depth": {"type": "integer", "default": 3},
        "shout": {"type": "integer"},
        "markdown": {"type": "string", "format": "markdown"},
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
    let fits = json!([["depth", "3"], ["shout", ""], ["markdown", "# A\ntitle"]]);
    assert_eq!(browser.written().await, fits);
    let focused = "const { value, selectionStart, selectionEnd } = document.activeElement;
        return [value, selectionStart, selectionEnd];";
    assert_eq!(browser.run(focused).await, json!(["# A\ntitle", 2, 5]));
    // What does not fit any more is said.
    let why = json!([[
        "shout",
        "Before this field was changed, this was written in it: true"
    ]]);
    assert_eq!(browser.said("wrong").await, why);
    let lost = r#"
        const one = { type: "string" };
        const schema = (properties) => ({ type: "object", properties });
        fields.show("a", schema({ here: one, gone: one }));
        control("here").value = "x";
        control("gone").value = "y";
        fields.show("a", schema({ here: one }));
        const said = [control("here").value, place.querySelector(".lost").textContent];
        fields.show("a", schema({ here: one, gone: one }));
        return [...said, control("gone").value, place.querySelector(".lost")];"#;
    let said = "Written for a form that was another one, and not sent: gone: y";
    assert_eq!(
        browser.in_a_form(lost).await,
        json!(["x", said, "y", Value::Null])
    );
}
