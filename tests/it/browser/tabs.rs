//! Tabs of one browser that share a session: one holds the socket, the others hear it through that one, and all show the
//! same conversation.

use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};

use super::session::Browser;
use crate::support::{Api, Program, TestDatabase};

/// What a page does that is a client: it notes what it hears.
const CONNECT: &str = "
    return import('/static/ringback.js').then((module) => {
        window.ringback = module.connect();
        window.heard = [];
        window.notices = [];
        window.results = {};
        ringback.onMessage((message) => message.id && heard.push(message.id));
        ringback.onNotice((text) => notices.push(text));
        window.ask = (name, ...job) => {
            const asked = ringback.submit(...job);
            asked.then((result) => (results[name] = result));
            asked.id.then((id) => (results[name + ' id'] = id));
        };
    });";

const CONNECTED: &str = "window.ringback.state.name === 'connected'";

impl Browser {
    /// Another tab with the same page, which is looked at from now on.
    async fn open_tab(&self, gateway: &Program) -> WindowHandle {
        let tab = self.page.new_window(true).await.unwrap().handle;
        self.look_at(&tab).await;
        let address = format!("http://{}/system/", gateway.address());
        self.page.goto(&address).await.unwrap();
        tab
    }

    async fn look_at(&self, tab: &WindowHandle) {
        self.page.switch_to_window(tab.clone()).await.unwrap();
    }

    /// Makes the page a client, and waits until it is connected.
    async fn connect(&self) {
        self.run(CONNECT).await;
        self.shows(CONNECTED).await;
    }

    async fn ask(&self, name: &str, task: &str, content: &str) {
        self.run(&format!("ask('{name}', '{task}', '{content}');"))
            .await;
    }

    async fn heard_of(&self, id: &Value) -> Value {
        self.run(&format!(
            "return heard.filter((heard) => heard === {id}).length;"
        ))
        .await
    }
}

async fn sessions(database: &TestDatabase) -> i64 {
    database.count("ringback.session").await
}

#[tokio::test]
async fn tabs_share_a_session_and_each_has_the_results_that_it_has_asked_for() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let first = browser.page.window().await.unwrap();
    browser.connect().await;
    let second = browser.open_tab(&gateway).await;
    browser.connect().await;
    assert_eq!(sessions(&database).await, 1);

    browser.ask("job", "count", "").await;
    browser.shows("results.job === '1'").await;
    let id = browser.run("return results['job id'];").await;
    let told = json!({"content": "to all"});
    assert_eq!(
        Api::of(&gateway)
            .post_json("/api/v1/notices", &told)
            .await
            .status,
        202
    );
    for tab in [&second, &first] {
        browser.look_at(tab).await;
        browser.shows("notices.length === 1").await;
        browser.shows(&format!("heard.includes({id})")).await;
        assert_eq!(browser.heard_of(&id).await, 1);
    }
    // The other way round as well, and both at once.
    browser.ask("mine", "hold", "0.3").await;
    browser.look_at(&second).await;
    browser.ask("mine", "hold", "0.2").await;
    for tab in [&second, &first] {
        browser.look_at(tab).await;
        browser.shows("results.mine === 'held'").await;
    }
    assert_eq!(sessions(&database).await, 1);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn when_the_tab_with_the_socket_goes_another_takes_it_and_nothing_is_lost_or_heard_twice() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let first = browser.page.window().await.unwrap();
    browser.connect().await;
    let second = browser.open_tab(&gateway).await;
    browser.connect().await;
    browser.ask("long", "hold", "2").await;
    browser.shows("results['long id'] !== undefined").await;
    browser.look_at(&first).await;
    browser.page.close_window().await.unwrap();
    browser.look_at(&second).await;
    // Asked for while nobody has the socket, or already has it again.
    browser.ask("short", "count", "").await;
    browser
        .shows("results.short === '1' && results.long === 'held'")
        .await;
    let id = browser.run("return results['long id'];").await;
    assert_eq!(browser.heard_of(&id).await, 1);
    assert_eq!(sessions(&database).await, 1);

    // The next page of the same browser goes on with it. Nobody works until it is there: it would not hear again what
    // came before it listened.
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    browser.ask("later", "hold", "0").await;
    browser.shows("results['later id'] !== undefined").await;
    let id = browser.run("return results['later id'];").await;
    browser.page.refresh().await.unwrap();
    browser.connect().await;
    let _worker = Program::unruly(&database).await;
    browser.shows(&format!("heard.includes({id})")).await;
    assert_eq!(browser.heard_of(&id).await, 1);
    assert_eq!(sessions(&database).await, 1);
    database.mailboxes_are_empty().await;
}

#[tokio::test]
async fn what_the_gateway_closes_on_is_given_up_by_the_tab_that_has_asked_for_it_and_by_no_other() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &["--max-frame", "2048"]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let first = browser.page.window().await.unwrap();
    browser.connect().await;
    let second = browser.open_tab(&gateway).await;
    browser.connect().await;
    browser
        .run("ringback.submit('count', '\u{2603}'.repeat(15000)).catch((error) => (results.large = error.code));")
        .await;
    browser.ask("job", "count", "").await;
    browser.look_at(&first).await;
    browser.ask("job", "count", "").await;
    browser.shows("results.job === '1'").await;
    browser.look_at(&second).await;
    browser
        .shows("results.job === '1' && results.large === 'too_large'")
        .await;
}

/// Two tabs with the page, of which the second is looked at.
async fn two_tabs() -> (TestDatabase, Program, Program, Browser, [WindowHandle; 2]) {
    let database = TestDatabase::new().await;
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let first = browser.page.window().await.unwrap();
    browser.shows(super::system::CONNECTED).await;
    let second = browser.open_tab(&gateway).await;
    browser.shows(super::system::CONNECTED).await;
    (database, worker, gateway, browser, [first, second])
}

/// What each card and notice shows.
async fn shown(browser: &Browser) -> Vec<Value> {
    let facts = ["kind", "id", "phase", "content", "queued", "outcome"];
    let of = |item: &Value| facts.iter().map(|name| item[*name].clone()).collect();
    browser.conversation().await.iter().map(of).collect()
}

#[tokio::test]
async fn what_is_asked_for_in_one_tab_is_shown_by_all_and_by_those_that_are_opened_later() {
    let (database, _worker, gateway, browser, [first, second]) = two_tabs().await;
    browser.submit("count", "in the second").await;
    browser.look_at(&first).await;
    browser.until_phase("succeeded", 1).await;
    browser.submit("fail", "in the first").await;
    browser.until_phase("failed", 1).await;
    super::system::notify(&database, "To all.").await;
    browser
        .shows("document.querySelectorAll('.notice').length === 1")
        .await;
    let expected = shown(&browser).await;
    assert_eq!(expected.len(), 3);
    browser.look_at(&second).await;
    browser.until_phase("failed", 1).await;
    browser
        .shows("document.querySelectorAll('.notice').length === 1")
        .await;
    assert_eq!(shown(&browser).await, expected);
    browser.open_tab(&gateway).await;
    browser.until_phase("failed", 1).await;
    browser.until_phase("succeeded", 1).await;
    assert_eq!(shown(&browser).await, expected);
    assert_eq!(sessions(&database).await, 1);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_text_goes_on_in_every_tab_whichever_is_opened_or_closed_amid_it() {
    let (database, _worker, gateway, browser, [first, second]) = two_tabs().await;
    let text = "document.querySelector('.card .streamed').textContent";
    browser.submit("story", "250").await;
    browser.shows(&format!("{text}.startsWith('1 2 3 ')")).await;
    let third = browser.open_tab(&gateway).await;
    browser.shows(&format!("{text}.startsWith('1 2 3 ')")).await;
    browser.look_at(&first).await;
    browser.page.close_window().await.unwrap();
    let whole: String = (1..=250).map(|piece| format!("{piece} ")).collect();
    for tab in [&second, &third] {
        browser.look_at(tab).await;
        let cards = browser.until_phase("succeeded", 1).await;
        assert_eq!(cards.len(), 1);
        browser.shows(&format!("{text} === '{whole}'")).await;
    }
    assert_eq!(sessions(&database).await, 1);
}

#[tokio::test]
async fn what_is_cleared_in_one_tab_is_gone_in_all_for_good_and_its_jobs_go_on() {
    let (_database, _worker, gateway, browser, [first, second]) = two_tabs().await;
    browser.submit("hold", "5").await;
    browser.submit("count", "over").await;
    browser.until_phase("succeeded", 1).await;
    let cards = browser.until_phase("running", 1).await;
    let held = cards[0]["id"].as_str().unwrap().to_owned();
    browser
        .run("document.getElementById('clear').click();")
        .await;
    let is_empty = "document.getElementById('empty').checkVisibility() && document.getElementById('clear').hidden";
    browser.shows(is_empty).await;
    browser.look_at(&first).await;
    browser.shows(is_empty).await;
    // Its end is heard, and shown by nobody.
    assert_eq!(Api::of(&gateway).finished(&held).await["result"], "held");
    browser
        .shows(&format!("[...document.querySelectorAll('.frame code')].some((code) => code.textContent.includes('\"job_result\"') && code.textContent.includes('{held}'))"))
        .await;
    browser.shows(is_empty).await;
    browser.page.refresh().await.unwrap();
    browser.shows(super::system::CONNECTED).await;
    assert_eq!(shown(&browser).await, Vec::<Value>::new());
    // What comes after that is shown.
    browser.submit("count", "after").await;
    browser.look_at(&second).await;
    let cards = browser.until_phase("succeeded", 1).await;
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0]["content"], "after");
}

#[tokio::test]
async fn a_tab_without_the_socket_shows_what_it_hears_and_says_through_the_other() {
    let (_database, _worker, _gateway, browser, _) = two_tabs().await;
    browser.submit("count", "x").await;
    browser.until_phase("succeeded", 1).await;
    let frames = browser
        .run("return [...document.querySelectorAll('.frame')].map((item) => [item.dataset.way, item.querySelector('code').textContent.slice(0, 26)]);")
        .await;
    let expected = json!([
        ["note", "connected through another "],
        ["out", r#"{"action":"system_message""#],
        ["in", r#"{"action":"job_queued","pa"#],
        ["in", r#"{"action":"job_result","pa"#],
    ]);
    assert_eq!(frames, expected);
}
