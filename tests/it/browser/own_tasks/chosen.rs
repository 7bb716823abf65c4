//! Which task is chosen, and that it stays so.

use serde_json::json;

use super::super::session::ENTER;
use super::{CHOSEN, outline, replaced};
use crate::support::{DataDir, TestDatabase, eventually};

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
    browser
        .shows("document.activeElement.value === 'shout'")
        .await;
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
