//! The system page without its connection: the badge is true, and nothing is lost or comes twice.

use serde_json::json;

use super::life::{TEXT, story};
use super::notify;
use super::{CONNECTED, everything};
use crate::browser::session::{Browser, ENTER};
use crate::support::{Program, TestDatabase, eventually};

const RECONNECTING: &str = "document.querySelector('#connection[data-state=reconnecting]')?.textContent.startsWith('Reconnecting')";
const OFFLINE: &str =
    "document.querySelector('#connection[data-state=offline]')?.textContent.startsWith('Offline')";
const HINT: &str = "document.getElementById('status').textContent";

/// The gateway again, where it was.
async fn restarted(database: &TestDatabase, address: &str) -> Program {
    let gateway = Program::start(database, &["serve", "--listen", address]);
    gateway.printed("serving").await;
    gateway
}

#[tokio::test]
async fn what_is_submitted_while_there_is_no_connection_is_sent_once_when_it_is_back() {
    let (database, mut gateway, _worker, browser) = everything().await;
    let address = gateway.address();
    gateway.kill();
    browser.shows(RECONNECTING).await;
    browser
        .shows(&format!(
            "{HINT} === 'Not connected. What you submit is sent when the connection is back.'"
        ))
        .await;
    browser.submit("default", "away").await;
    let cards = browser.until_phase("unsent", 1).await;
    assert_eq!(
        cards[0]["where"],
        "Not sent yet: it is sent when the connection is back"
    );
    let _gateway = restarted(&database, &address).await;
    let try_now = "document.getElementById('connect')";
    browser.run(&format!("{try_now}.click();")).await;
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards.len(), 1);
    browser.shows(CONNECTED).await;
    browser
        .shows(&format!("{HINT} === '' && {try_now}.hidden"))
        .await;
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn what_has_no_answer_yet_outlives_the_page_and_is_one_job() {
    let (database, mut gateway, _worker, browser) = everything().await;
    let address = gateway.address();
    gateway.kill();
    browser.shows(RECONNECTING).await;
    browser.submit("default", "kept").await;
    browser.until_phase("unsent", 1).await;
    browser.page.goto("about:blank").await.unwrap();
    let gateway = restarted(&database, &address).await;
    let page = format!("http://{}/system/", gateway.address());
    browser.page.goto(&page).await.unwrap();
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards[0]["content"], "kept");
    browser.page.goto(&page).await.unwrap();
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards.len(), 1);
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn a_job_catches_up_after_its_gateway_was_killed_amid_it() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser.submit("story", "200").await;
    browser.shows(&format!("{TEXT}.startsWith('1 2 3 ')")).await;
    gateway.kill();
    browser.shows(RECONNECTING).await;
    browser
        .shows("document.querySelector('.card[data-phase=running] .away').checkVisibility()")
        .await;
    let _gateway = restarted(&database, &address).await;
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards.len(), 1);
    browser.shows(&format!("{TEXT} === '{}'", story(200))).await;
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn notices_that_came_while_the_page_was_away_are_there() {
    let (database, gateway, _worker, browser) = everything().await;
    browser.page.goto("about:blank").await.unwrap();
    notify(&database, "You were away.").await;
    notify(&database, "Still.").await;
    let page = format!("http://{}/system/", gateway.address());
    browser.page.goto(&page).await.unwrap();
    let shown =
        "[...document.querySelectorAll('.notice .text')].map((text) => text.textContent).join()";
    browser
        .shows(&format!("{shown} === 'You were away.,Still.'"))
        .await;
    browser.page.goto(&page).await.unwrap();
    browser.shows(CONNECTED).await;
    browser
        .shows(&format!("{shown} === 'You were away.,Still.'"))
        .await;
}

#[tokio::test]
async fn what_was_cancelled_before_it_could_be_sent_is_cancelled_also_by_the_next_page() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    gateway.kill();
    browser.shows(RECONNECTING).await;
    browser.submit("translate", "not wanted").await;
    browser.until_phase("unsent", 1).await;
    browser
        .run("[...document.querySelectorAll('.card button')].find(({ textContent }) => textContent === 'Cancel').click();")
        .await;
    browser
        .shows("JSON.parse(sessionStorage.getItem('ringback outbox'))[0].isCancelled")
        .await;
    let _gateway = restarted(&database, &address).await;
    browser.page.refresh().await.unwrap();
    browser.until_phase("cancelled", 1).await;
    let cancelled = "ringback.jobs where state = 'cancelled' and content = 'not wanted'";
    assert_eq!(database.count(cancelled).await, 1);
}

#[tokio::test]
async fn a_device_that_is_offline_says_so_and_comes_back_by_itself() {
    let (database, mut gateway, _worker, browser) = everything().await;
    let address = gateway.address();
    gateway.kill();
    browser.cut_off().await;
    browser.shows(OFFLINE).await;
    browser.submit("default", "offline").await;
    browser.until_phase("unsent", 1).await;
    browser
        .shows(&format!(
            "{HINT}.startsWith('This device seems to be offline.')"
        ))
        .await;
    let _gateway = restarted(&database, &address).await;
    browser.reconnect().await;
    browser.until_phase("succeeded", 1).await;
    browser.shows(CONNECTED).await;
    assert_eq!(database.count("ringback.jobs").await, 1);
}

#[tokio::test]
async fn a_gateway_that_hangs_is_found_out_when_the_device_was_offline() {
    let (_database, gateway, _worker, browser) = everything().await;
    // It neither answers nor closes, as a network that has gone.
    gateway.signal("STOP");
    eventually("the gateway should have stopped", async || {
        is_stopped(&gateway)
    })
    .await;
    browser
        .run("window.dispatchEvent(new Event('offline'));")
        .await;
    browser.shows(OFFLINE).await;
    gateway.signal("CONT");
    browser.shows(CONNECTED).await;
}

#[tokio::test]
async fn what_was_typed_stays_on_the_line() {
    let (database, mut gateway, _worker, browser) = everything().await;
    let address = gateway.address();
    browser
        .run("document.getElementById('content').focus();")
        .await;
    browser.press("hello").await;
    gateway.kill();
    browser.shows(RECONNECTING).await;
    let _gateway = restarted(&database, &address).await;
    browser.shows(CONNECTED).await;
    let line = "return document.getElementById('content').value;";
    assert_eq!(browser.run(line).await, json!("hello"));
    browser.press(ENTER).await;
    browser.until_phase("succeeded", 1).await;
}

/// Whether every thread of a process is stopped: the signal reaches one after another.
fn is_stopped(program: &Program) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
        status.contains("State:\tT")
    })
}
