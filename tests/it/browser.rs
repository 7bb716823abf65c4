//! The pages, in a real browser, before real gateways and workers.

mod console;
mod everywhere;
mod own_tasks;
mod pictures;
mod reference;
mod session;
mod system;
mod tabs;
mod token;

use serde_json::{Value, json};

use session::Browser;

use crate::support::{Api, Program, TestDatabase};

/// What a page does with the events of a job, as browsers have it.
const FOLLOW: &str = "
    window.told = [];
    window.source = new EventSource(path);
    for (const name of ['job_chunk', 'job_result']) {
        source.addEventListener(name, (event) => told.push([name, event.lastEventId, JSON.parse(event.data).payload]));
    }";

#[tokio::test]
async fn an_event_source_follows_a_job_across_a_restart_and_stops_at_its_end() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let address = gateway.address();
    let browser = Browser::at(&gateway, "/system/").await;
    let story = json!({"task_type": "story", "content": "150", "stream": true});
    let job = Api::of(&gateway).submit_as(&story).await;
    let path = format!("const path = '/api/v1/jobs/{job}/events';");
    browser.run(&format!("{path} {FOLLOW}")).await;
    browser.shows("window.told.length >= 20").await;
    gateway.kill();
    let gateway = Program::start(&database, &["serve", "--listen", &address]);
    gateway.printed("serving").await;
    // Its end is answered so that the browser does not come back for ever.
    browser
        .shows("source.readyState === EventSource.CLOSED")
        .await;
    let told = browser.run("return told;").await;
    let pieces =
        (1..=150).map(|piece| json!(["job_chunk", format!("1-{piece}"), format!("{piece} ")]));
    let expected: Vec<Value> = pieces
        .chain([json!(["job_result", "over", "150"])])
        .collect();
    assert_eq!(told, json!(expected));
}
