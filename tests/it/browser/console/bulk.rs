//! What is done with many jobs at once.

use serde_json::json;

use super::Console;
use crate::browser::session::ESCAPE;

#[tokio::test]
async fn retrying_all_that_failed_says_how_many_and_retries_those_alone() {
    let console = Console::at("#/").await;
    for content in ["a", "b", "c"] {
        let id = console.api.submit("fail", content).await;
        console.api.finished(&id).await;
    }
    let done = console.api.submit("count", "").await;
    console.api.finished(&done).await;
    console.go("#/jobs?state=failed").await;
    console.lists(3).await;
    console.press_button("bulk", "Select all that match").await;
    // What has failed cannot be cancelled.
    console
        .shows("document.querySelector('.bulk .danger').ariaDisabled === 'true'")
        .await;
    console.press_button("bulk", "Retry").await;
    console.says("dialog h2", "Retry 3 jobs?").await;
    console.says("dialog", "All jobs that are failed: 3.").await;
    console
        .shows("document.activeElement.textContent === 'Not now'")
        .await;
    console.browser.press(ESCAPE).await;
    console.shows("!document.querySelector('dialog')").await;
    let retried = "ringback.jobs where retry_of is not null";
    assert_eq!(console.database.count(retried).await, 0);

    console.press_button("bulk", "Retry").await;
    console.says("dialog h2", "Retry 3 jobs?").await;
    console.press_button("confirm", "Retry 3 jobs").await;
    console.says("dialog", "3 submitted again.").await;
    console.says("#said", "3 submitted again.").await;
    assert_eq!(console.database.count(retried).await, 3);
    console.press_button("confirm", "Close").await;
    console.lists(6).await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn cancelling_more_than_a_batch_cancels_what_the_filter_finds_and_nothing_else() {
    let console = Console::at("#/").await;
    for (task, many) in [("count", 1_234), ("hold", 5)] {
        let statement = format!(
            "select ringback.enqueue('{task}', content => 'later', delay => '1 hour') from generate_series(1, {many})"
        );
        console.database.execute(&statement).await;
    }
    console.go("#/jobs?task=count").await;
    console.lists(50).await;
    console.press_button("bulk", "Select all that match").await;
    console.press_button("bulk", "Cancel").await;
    console.says("dialog h2", "Cancel 1,234 jobs?").await;
    console.says("dialog", "have the task “count”").await;
    console
        .shows("document.activeElement.textContent === 'Keep them'")
        .await;
    console.press_button("confirm", "Cancel 1,234 jobs").await;
    console.says("dialog", "1,234 cancelled.").await;
    let of = async |task: &str, state: &str| {
        let matching = format!("ringback.jobs where task = '{task}' and state = '{state}'");
        console.database.count(&matching).await
    };
    assert_eq!(of("count", "cancelled").await, 1_234);
    assert_eq!(of("hold", "scheduled").await, 5);
    console.press_button("confirm", "Close").await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn of_those_selected_only_what_it_makes_sense_for_is_acted_on() {
    let console = Console::at("#/").await;
    let done = console.api.submit("count", "").await;
    console.api.finished(&done).await;
    let runs = console.api.submit("hold", "60").await;
    let later = json!({"task_type": "count", "content": "", "delay": 3600});
    let later = console.api.submit_as(&later).await;
    let spared = console.api.submit("hold", "61").await;
    console.go("#/jobs").await;
    console.lists(4).await;
    for id in [&done, &runs, &later] {
        console
            .click(&format!("tr[data-id='{id}'] [type=checkbox]"))
            .await;
    }
    console.says(".selected", "3 selected").await;
    console.press_button("bulk", "Cancel").await;
    console.says("dialog h2", "Cancel 2 jobs?").await;
    console
        .says("dialog", "1 more that you selected stays as it is.")
        .await;
    console.press_button("confirm", "Cancel 2 jobs").await;
    console.says("dialog", "1 cancelled, 1 asked to end.").await;
    assert_eq!(console.api.finished(&runs).await["state"], "cancelled");
    assert_eq!(console.api.job(&later).await["state"], "cancelled");
    assert_eq!(console.api.job(&done).await["state"], "succeeded");
    assert_eq!(console.api.job(&spared).await["state"], "running");
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn what_was_done_before_an_error_is_said_truthfully() {
    let console = Console::at("#/").await;
    let statement = "select ringback.enqueue('count', content => 'later', delay => '1 hour') from generate_series(1, 1200)";
    console.database.execute(statement).await;
    console.go("#/jobs?state=scheduled").await;
    console.lists(50).await;
    console.press_button("bulk", "Select all that match").await;
    console.press_button("bulk", "Cancel").await;
    console.says("dialog h2", "Cancel 1,200 jobs?").await;
    // The second batch is answered by nobody.
    let fail = "const ask = window.fetch; let batches = 0;
        window.fetch = (path, ...how) => path.endsWith('/jobs/cancel') && ++batches === 2
            ? Promise.reject(new TypeError('no network')) : ask(path, ...how);";
    console.browser.run(fail).await;
    console.press_button("confirm", "Cancel 1,200 jobs").await;
    console
        .says("dialog h2", "500 of 1,200 jobs were done")
        .await;
    console.says("dialog", "500 cancelled.").await;
    console.says("dialog", "Of the next 500 it is not known whether they were changed. The 200 after them were not touched.").await;
    let cancelled = "ringback.jobs where state = 'cancelled'";
    assert_eq!(console.database.count(cancelled).await, 500);
    console.complains_of_nothing().await;
}
