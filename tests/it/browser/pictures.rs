//! Makes the pictures of the README from the running program: `just pictures`.
//!
//! Minutes of real work, so that the charts have something to show; a font with emoji is needed for the answers.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::session::Browser;
use super::system::CONNECTED;
use crate::support::{Api, Program, TestDatabase, eventually_within};

/// For how long jobs come before the console is looked at, in seconds.
const SECONDS: &str = "RINGBACK_PICTURE_SECONDS";

async fn keep(browser: &Browser, name: &str) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    std::fs::write(place, browser.picture().await).unwrap();
}

/// Jobs that come and go like a day's in minutes: more and fewer of them, a few that fail, some that take long.
async fn work(api: &Api, time: Duration) {
    let began = Instant::now();
    let mut turn = 0_u32;
    while began.elapsed() < time {
        turn += 1;
        let wave = (began.elapsed().as_secs_f64() / 45.0).sin() + 1.2;
        let count = f64::from(fastrand::u8(..15)) + wave * 40.0;
        let mut jobs: Vec<Value> = (0_u8..200)
            .take_while(|number| f64::from(*number) < count)
            .map(|number| {
                let (task, content) = match number % 9 {
                    0..4 => ("translate", "good morning"),
                    4..7 => ("analyze", "The quick brown fox jumps over the lazy dog."),
                    7 => ("generate", "Tell me about the weather"),
                    _ => ("hold", "0.7"),
                };
                json!({"task_type": task, "content": content})
            })
            .collect();
        if turn.is_multiple_of(7) {
            jobs.push(json!({"task_type": "fail", "content": "an invoice without an address"}));
            jobs.push(json!({"task_type": "flaky", "content": "3"}));
        }
        if turn % 40 == 1 {
            jobs.push(json!({"task_type": "hold", "content": "90"}));
            jobs.push(json!({"task_type": "translate", "content": "at night", "delay": 3600}));
        }
        let answer = api
            .post_json("/api/v1/jobs/batch", &json!({ "jobs": jobs }))
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn say(browser: &Browser, task: &str, content: &str) {
    let say = format!(
        "document.querySelector('input[value={task}]').click();
         document.getElementById('content').value = {};
         document.getElementById('composer').requestSubmit();",
        json!(content)
    );
    browser.run(&say).await;
}

#[tokio::test]
#[ignore = "makes the pictures of the README: just pictures"]
async fn the_pages_as_they_are() {
    let database = TestDatabase::new().await;
    let worker = Program::start(&database, &["worker", "--delay-scale", "0.4"]);
    worker.printed("working").await;
    let _unruly = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser.resize(1080, 960).await;
    let done = "document.querySelectorAll('.card[data-phase=succeeded]').length";
    for (number, (task, content)) in [
        ("translate", "good morning"),
        ("analyze", "The quick brown fox jumps over the lazy dog."),
    ]
    .into_iter()
    .enumerate()
    {
        say(&browser, task, content).await;
        browser.shows(&format!("{done} > {number}")).await;
    }
    let notice = json!({"content": "The server restarts at noon."});
    api.post_json("/api/v1/notices", &notice).await;
    browser.shows("document.querySelector('.notice')").await;
    say(&browser, "generate", "How do I make tea?").await;
    browser
        .shows("document.querySelector('.card[data-phase=running] progress')?.value > 40")
        .await;
    keep(&browser, "system.png").await;

    let seconds = std::env::var(SECONDS).map_or(300, |seconds| seconds.parse().unwrap());
    work(&api, Duration::from_secs(seconds)).await;
    let console = format!("http://{}/jobs/#/", gateway.address());
    browser.resize(1280, 1180).await;
    browser.page.goto(&console).await.unwrap();
    let patience = Duration::from_secs(60);
    eventually_within(patience, "the console should be there", async || {
        browser
            .run("return document.querySelectorAll('main svg').length;")
            .await
            != json!(0)
    })
    .await;
    browser
        .run("[...document.querySelectorAll('main button, main label')].find(({ textContent }) => textContent === '15 min')?.click();")
        .await;
    browser.shows("document.getAnimations().length === 0").await;
    keep(&browser, "console.png").await;
}
