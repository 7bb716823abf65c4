//! What was typed and not sent stays.

use serde_json::json;

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
