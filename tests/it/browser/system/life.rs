//! A job's card through its life: progress, text as it comes, failure and another chance, cancelling, an earlier page.

use serde_json::{Value, json};

use super::CONNECTED;
use crate::browser::session::{Browser, ENTER};
use crate::support::{Api, Program, TestDatabase};

/// A page before a worker whose tasks misbehave.
async fn unruly() -> (TestDatabase, Program, Program, Browser) {
    let database = TestDatabase::new().await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    (database, worker, gateway, browser)
}

/// A story of this many pieces.
pub(super) fn story(pieces: u32) -> String {
    (1..=pieces).map(|piece| format!("{piece} ")).collect()
}

/// What a script sees of the text of the only card.
pub(super) const TEXT: &str = "document.querySelector('.card .streamed').textContent";

#[tokio::test]
async fn progress_is_a_bar_with_its_note_and_is_known_to_those_who_cannot_see_it() {
    let (_database, _worker, _gateway, browser) = unruly().await;
    browser.submit("busy", "x").await;
    browser
        .shows("document.querySelector('.card progress').value > 20")
        .await;
    let bar = "
        const bar = document.querySelector('.card progress');
        return [bar.max, bar.ariaLabel, /^\\d+ % · busy$/.test(document.querySelector('.card .note').textContent)];";
    assert_eq!(
        browser.run(bar).await,
        json!([100, "Progress of Busy: x", true])
    );
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards[0]["outcome"], "No result");
    // Of a job that says nothing of itself it is known that it runs.
    browser.submit("hold", "60").await;
    browser.until_phase("running", 1).await;
    browser
        .shows("document.querySelectorAll('.card progress')[1].matches(':indeterminate')")
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_text_appears_as_it_comes_and_begins_anew_with_the_next_attempt() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly_with_grace(&database, 0).await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser.submit("story", "100").await;
    browser.shows(&format!("{TEXT}.startsWith('1 2 3 ')")).await;
    let cards = browser.until_phase("running", 1).await;
    assert!(cards[0]["text"].as_str().unwrap().starts_with("1 2 3 "));
    worker.signal("TERM");
    worker.ended().await;
    let _worker = Program::unruly(&database).await;
    browser.until_phase("running", 1).await;
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards[0]["outcome"], "100");
    assert_eq!(browser.run(&format!("return {TEXT};")).await, story(100));
}

#[tokio::test]
async fn what_has_failed_says_why_and_is_given_another_chance_on_a_card_of_its_own() {
    let (database, _worker, gateway, browser) = unruly().await;
    browser.submit("fail", "once").await;
    let cards = browser.until_phase("failed", 1).await;
    assert_eq!(cards[0]["outcome"], "as it was asked to");
    assert_eq!(cards[0]["where"], "Failed (task_failed)");
    browser
        .shows("document.getElementById('announcer').textContent.endsWith('Fail once: Failed: as it was asked to')")
        .await;
    browser.press_on_card("once", "Retry").await;
    let cards = browser.until_phase("failed", 2).await;
    let ids: Vec<&str> = cards
        .iter()
        .map(|card| card["id"].as_str().unwrap())
        .collect();
    assert_eq!(cards.len(), 2);
    let told = "return [...document.querySelectorAll('.card')].map((card) =>
        [...card.querySelectorAll('.origin, .next')].filter((line) => line.checkVisibility()).map((line) => line.textContent));";
    let expected = json!([
        [format!("It was given another chance: {}", ids[1])],
        [format!("Another chance for {}", ids[0])],
    ]);
    assert_eq!(browser.run(told).await, expected);
    // The server has it so as well, and so has the next page.
    let job = Api::of(&gateway).job(ids[0]).await;
    assert_eq!(job["retried_as"], ids[1]);
    browser.page.refresh().await.unwrap();
    browser.until_phase("failed", 2).await;
    assert_eq!(browser.run(told).await, expected);
    assert_eq!(database.count("ringback.jobs").await, 2);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_says_so() {
    let (_database, _worker, _gateway, browser) = unruly().await;
    browser.submit("flaky", "3").await;
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards[0]["outcome"], "done at attempt 3");
    browser
        .shows("document.querySelector('.card .facts').textContent.includes('3 attempts')")
        .await;
}

#[tokio::test]
async fn a_job_is_cancelled_by_keyboard_wherever_it_is_and_the_focus_stays_with_it() {
    let (_database, _worker, _gateway, browser) = unruly().await;
    browser.submit("hold", "60").await;
    browser.until_phase("running", 1).await;
    browser
        .run("[...document.querySelectorAll('.card button')].find((button) => button.textContent === 'Cancel').focus();")
        .await;
    browser.press(ENTER).await;
    let cards = browser.until_phase("cancelled", 1).await;
    let id = cards[0]["id"].as_str().unwrap();
    assert_eq!(cards[0]["outcome"], format!("Job {id} was cancelled"));
    browser
        .shows("document.activeElement.closest('.card')")
        .await;
    // Whoever has called it off may want it after all.
    browser.press_on_card("60", "Retry").await;
    browser.until_phase("running", 1).await;
    browser.press_on_card("60", "Cancel").await;
    browser.until_phase("cancelled", 2).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_that_an_operator_has_cancelled_is_shown_as_such() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser.submit("generate", "weather").await;
    let cards = browser.until_phase("queued", 1).await;
    let id = cards[0]["id"].as_str().unwrap();
    let mut command = Program::start(&database, &["jobs", "cancel", id]);
    assert!(command.ended().await.success());
    let cards = browser.until_phase("cancelled", 1).await;
    assert_eq!(cards[0]["outcome"], format!("Job {id} was cancelled"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_next_page_shows_the_same_also_amid_a_job_and_nothing_twice() {
    let (database, _worker, _gateway, browser) = unruly().await;
    browser.submit("count", "first").await;
    browser.until_phase("succeeded", 1).await;
    super::notify(&database, "Between them.").await;
    browser.shows("document.querySelector('.notice')").await;
    browser.submit("fail", "second").await;
    browser.until_phase("failed", 1).await;
    browser.submit("story", "200").await;
    let text = "[...document.querySelectorAll('.card .streamed')].at(-1).textContent";
    browser.shows(&format!("{text}.startsWith('1 2 3 ')")).await;
    let before = contents(&browser.conversation().await);
    browser.page.refresh().await.unwrap();
    browser.shows(&format!("{text}.includes(' 60 ')")).await;
    assert_eq!(contents(&browser.conversation().await), before);
    browser.until_phase("succeeded", 2).await;
    assert_eq!(browser.run(&format!("return {text};")).await, story(200));
    assert_eq!(contents(&browser.conversation().await), before);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

fn contents(conversation: &[Value]) -> Vec<(String, String)> {
    let shown = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let of = |item: &Value| match item["kind"].as_str() {
        Some("notice") => ("notice".to_owned(), shown(item, "text")),
        _ => (shown(item, "id"), shown(item, "content")),
    };
    conversation.iter().map(of).collect()
}
