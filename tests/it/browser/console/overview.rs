//! How everything is.

use serde_json::json;

use super::{Console, LIVE};
use crate::browser::session::{Browser, ESCAPE, RIGHT, TAB};
use crate::support::{Program, TestDatabase};

const HOME: &str = "\u{e011}";

fn figure(name: &str, value: &str) -> String {
    format!("document.querySelector('[data-figure={name}]').textContent === '{value}'")
}

#[tokio::test]
async fn the_overview_moves_with_the_jobs_and_nothing_is_asked_for_again_and_again() {
    let console = Console::at("#/").await;
    console.shows(&figure("running", "0")).await;
    let ids = [
        console.api.submit("hold", "60").await,
        console.api.submit("hold", "60").await,
    ];
    console.shows(&figure("running", "2")).await;
    console
        .says("#workers .card", "2 of 256 slots in use")
        .await;
    for id in &ids {
        console
            .shows(&format!(
                "document.querySelector('.longest a[href=\"#/jobs/{id}\"]')"
            ))
            .await;
    }
    let later = json!({"task_type": "count", "content": "", "delay": 3600});
    console.api.submit_as(&later).await;
    console.shows(&figure("scheduled", "1")).await;
    for id in &ids {
        console.api.post(&format!("/api/v1/jobs/{id}/cancel")).await;
    }
    console.shows(&figure("running", "0")).await;
    console
        .shows("document.querySelector('.longest').children.length === 0")
        .await;
    // The chart goes on with the sample that has them.
    console
        .shows("/cancelled: .*at most 0\\.\\d/.test(document.querySelector('.plot').ariaLabel)")
        .await;
    let asked = "return performance.getEntriesByType('resource')
        .filter((entry) => entry.initiatorType === 'fetch').map((entry) => new URL(entry.name).pathname);";
    // Once, and again where figures were late on a busy machine; never for each of the twenty that came.
    let asked: Vec<String> = serde_json::from_value(console.browser.run(asked).await).unwrap();
    assert!(
        asked.iter().all(|path| path == "/api/v1/overview/samples") && asked.len() <= 4,
        "{asked:?}"
    );
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn a_queue_is_paused_by_a_click_which_holds_its_jobs_until_the_next_one() {
    let console = Console::at("#/").await;
    console
        .click(".queues button[aria-label='Pause queue default']")
        .await;
    console.says("#said", "Queue default is paused").await;
    console.says(".queues .badge:not([hidden])", "paused").await;
    let id = console.api.submit("count", "").await;
    console.shows(&figure("ready", "1")).await;
    assert_eq!(console.api.job(&id).await["state"], "ready");
    console
        .click(".queues button[aria-label='Resume queue default']")
        .await;
    console.says("#said", "Queue default goes on").await;
    assert_eq!(console.api.finished(&id).await["state"], "succeeded");
    console.shows(&figure("ready", "0")).await;
    console
        .shows("document.querySelector('.queues .badge').hidden")
        .await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn figures_that_are_old_look_old_and_are_live_again_by_themselves() {
    let database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/jobs/#/").await;
    browser.shows(LIVE).await;
    let style = "return getComputedStyle(document.querySelector('[data-figure=ready]')).fontStyle;";
    assert_eq!(browser.run(style).await, json!("normal"));
    // The gateway hears nothing of its database, and has nothing to say.
    let frozen = database.freeze_server().await;
    browser
        .shows("document.querySelector('#feed').textContent.startsWith('No news since')")
        .await;
    assert_eq!(browser.run(style).await, json!("italic"));
    drop(frozen);
    browser.shows(LIVE).await;
    assert_eq!(browser.run(style).await, json!("normal"));

    // The gateway itself is gone.
    drop(gateway);
    browser
        .shows(
            "/^Reconnecting… figures of .* old$/.test(document.querySelector('#feed').textContent)",
        )
        .await;
    assert_eq!(browser.run(style).await, json!("italic"));
}

#[tokio::test]
async fn the_crosshair_of_a_chart_is_moved_by_keys_and_reads_out_what_is_there() {
    let console = Console::at("#/").await;
    let samples = "insert into ringback.sample (at, seconds, scheduled, held, ready, running, waiting, succeeded, failed,
            cancelled, waited_p50, waited_p95, waited_p99)
        select date_bin('10 s', now(), 'epoch') - each * interval '10 s', 10, 0, 0, 7, 3, 0, each * 10, 1, 0, 0.002, 0.5, 61
        from generate_series(10, 20) as each";
    console.database.execute(samples).await;
    console.browser.page.refresh().await.unwrap();
    console
        .shows("Number(document.querySelector('.plot')?.ariaValueMax) >= 10")
        .await;
    let on_chart = "return document.activeElement.classList.contains('plot');";
    for _ in 0..30 {
        if console.browser.run(on_chart).await == json!(true) {
            break;
        }
        console.browser.press(TAB).await;
    }
    console.browser.press(HOME).await;
    let read =
        "return document.activeElement.ariaValueText.replace(/^\\d\\d:\\d\\d:\\d\\d: /, '');";
    let first = json!("succeeded 20, failed 0.1, cancelled 0");
    assert_eq!(console.browser.run(read).await, first);
    console.browser.press(RIGHT).await;
    let second = json!("succeeded 19, failed 0.1, cancelled 0");
    assert_eq!(console.browser.run(read).await, second);
    // All charts show the same moment, each with its own figures.
    let all = "return [...document.querySelectorAll('.chart.crossed')].map((chart) =>
        [...chart.querySelectorAll('.legend b')].map((value) => value.textContent).join(' '));";
    assert_eq!(
        console.browser.run(all).await,
        json!(["19 0.1 0", "7 3 0", "6", "2 ms 500 ms 1 min 1 s", "– – –"])
    );
    console.browser.press(ESCAPE).await;
    console.shows("!document.querySelector('.crossed')").await;

    // The same as a table.
    console.click(".numbers summary").await;
    console
        .shows("[...document.querySelectorAll('.numbers tbody tr')].some((row) => row.children[1].textContent === '20')")
        .await;
    console.complains_of_nothing().await;
}
