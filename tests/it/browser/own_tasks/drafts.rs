//! What was typed and not sent: it stays, or is said, or can be brought back.

use serde_json::{Value, json};

use super::{CHOSEN, asking, outline, replaced};
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

    // Also where the schema is another one by the next connection: a worker that started later has said so.
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
            "with later as (
                insert into ringback.worker (id, host, pid, version, queues, concurrency, tasks, beat_at)
                values (gen_random_uuid(), '', 0, '', array['default'], 1, array['outline'], now() + interval '1 h')
                returning id
            )
            update ringback.task set input_schema = '{schema}', registered_by = later.id from later
            where name = 'outline'"
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

#[tokio::test]
async fn what_was_being_written_can_be_brought_back_when_something_else_took_its_place() {
    let schema =
        json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}});
    let (_database, _gateway, browser) = asking(&[("ask", schema)]).await;
    let bring_back = async || {
        browser
            .shows("document.getElementById('earlier').checkVisibility()")
            .await;
        browser
            .run("document.getElementById('earlier').click();")
            .await;
    };
    let refused = json!({"name": "long"});
    let again = json!([["name", "long"]]);
    browser.write_again("ask", &refused).await;
    assert_eq!(browser.written().await, again);
    // Nothing was written before, and what was put there and not touched need not be kept.
    browser
        .press_on_card(&refused.to_string(), "Write it again")
        .await;
    browser
        .shows("document.getElementById('earlier').hidden")
        .await;
    browser.fill("name", "own").await;
    browser
        .press_on_card(&refused.to_string(), "Write it again")
        .await;
    assert_eq!(browser.written().await, again);
    browser.fill("name", "more").await;
    bring_back().await;
    assert_eq!(browser.written().await, json!([["name", "own"]]));
    // What was there then waits in turn.
    bring_back().await;
    assert_eq!(browser.written().await, json!([["name", "more"]]));

    // The same with the line.
    let idea = "document.querySelector('.idea').click();";
    let line = "return document.getElementById('content').value;";
    browser.run(idea).await;
    browser
        .run("document.getElementById('content').select();")
        .await;
    browser.press("mine").await;
    browser.run(idea).await;
    assert_eq!(browser.run(line).await, "hello");
    browser.choose("ask").await;
    bring_back().await;
    assert_eq!(browser.run(line).await, "mine");
    let chosen = browser.run(&format!("return {CHOSEN};")).await;
    assert_eq!(chosen, "translate");
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    // And with JSON for a task that works on texts, whose form is there for that alone.
    browser.write_again("translate", &json!({"a": 1})).await;
    browser.fill("Input", "[1]").await;
    browser.run(idea).await;
    assert_eq!(browser.run(line).await, "hello");
    bring_back().await;
    assert_eq!(browser.written().await, json!([["Input", "[1]"]]));
}
