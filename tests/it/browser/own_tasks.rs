//! Tasks of one's own on the pages: a form for what they work on, and their schemas on the message reference.

use fantoccini::Locator;
use serde_json::{Value, json};

use super::session::{Browser, ENTER};
use super::system::CONNECTED;
use crate::examples::run;
use crate::support::{DataDir, TestDatabase, eventually};

#[tokio::test]
async fn a_task_that_works_on_more_than_a_text_has_a_form() {
    let (database, folder) = (TestDatabase::new().await, DataDir::new());
    let (gateway, _worker) = run("outline", &database, &folder).await;
    // So that the page finds a worker from the beginning.
    eventually("the worker should be known", async || {
        database.count("ringback.worker where tasks <> '{}'").await == 1
    })
    .await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
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
    let text = find(".field input[type=text]").await;
    text.send_keys("# A title").await.unwrap();
    find(".field input[type=checkbox]")
        .await
        .click()
        .await
        .unwrap();
    find("#send").await.click().await.unwrap();
    let shown = browser.until_phase("succeeded", 1).await;
    let content: Value = serde_json::from_str(shown[0]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"markdown": "# A title", "shout": true}));
    let outcome = r#"[{"depth":1,"title":"A title","words":0}]"#;
    assert_eq!(shown[0]["outcome"], outcome);
    // What it is asked with next is as it was at first.
    browser
        .shows("[...document.querySelectorAll('.field input')].every((input) => input.value !== '# A title' && !input.checked)")
        .await;

    // Another one works on a text, and has the line.
    find(".tasks label:has(input[value=shout])")
        .await
        .click()
        .await
        .unwrap();
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
