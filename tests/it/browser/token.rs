//! Signing in, where the gateway asks for a token.

use std::time::Duration;

use fantoccini::Locator;
use ringback::auth::Algorithm;

use super::session::{Browser, ENTER, ESCAPE};
use super::system::CONNECTED;
use crate::support::{Api, Issuer, Program, TestDatabase};

const ASKED: &str =
    "document.querySelector('dialog.sign-in[open] input') === document.activeElement";
const ASKED_SOMEWHERE: &str = "document.querySelector('dialog.sign-in[open]') !== null";
const TROUBLE: &str = "document.querySelector('.sign-in .trouble').textContent";

impl Browser {
    /// Gives the page a token, as a person does.
    pub(super) async fn sign_in(&self, token: &str) {
        self.shows(ASKED).await;
        let input = Locator::Css("dialog.sign-in input");
        let input = self.page.find(input).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(&format!("{token}{ENTER}")).await.unwrap();
    }

    async fn sign_out(&self) {
        let leave = Locator::XPath("//button[text()='Sign out']");
        self.page.find(leave).await.unwrap().click().await.unwrap();
    }

    /// Opens a page in another tab, which is looked at from now on.
    async fn open_beside(&self, gateway: &Program, path: &str) {
        let tab = self.page.new_window(true).await.unwrap().handle;
        self.page.switch_to_window(tab).await.unwrap();
        let address = format!("http://{}{path}", gateway.address());
        self.page.goto(&address).await.unwrap();
    }

    /// Waits until the page says whose it is.
    async fn is_of(&self, subject: &str) {
        self.shows(&format!(
            "document.querySelector('.signed-in p')?.textContent === 'Signed in as {subject}'"
        ))
        .await;
    }
}

/// How often a result is shown.
fn shown(result: &str, times: usize) -> String {
    format!(
        "document.getElementById('messages').innerText.split({result:?}).length - 1 === {times}"
    )
}

#[tokio::test]
async fn a_page_asks_for_a_token_and_again_when_it_has_ended() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(ASKED).await;
    assert_eq!(browser.barriers().await, Vec::<String>::new());

    browser.sign_in("nonsense").await;
    browser
        .shows(&format!("{TROUBLE} === 'This is no signed token'"))
        .await;
    let short = issuer.token_for("alice", "jobs:submit jobs:read", Duration::from_secs(8));
    browser.sign_in(&short).await;
    browser.shows(CONNECTED).await;
    browser.submit("translate", "hello").await;
    browser
        .shows("document.querySelectorAll('.card').length === 1")
        .await;

    // The token ends before a worker has come; the job runs while nobody is signed in.
    browser.shows(ASKED).await;
    browser
        .shows(&format!("{TROUBLE}.includes('has ended')"))
        .await;
    let _worker = Program::worker(&database, &[]).await;
    let token = issuer.token("alice", "jobs:submit jobs:read");
    let alice = Api::with_token(&gateway, &token);
    let job = alice.get("/api/v1/jobs").await.body["jobs"][0]["id"].clone();
    alice.finished(job.as_str().unwrap()).await;
    browser.sign_in(&token).await;
    browser.shows(&shown("'hello' → 'hola'", 1)).await;

    // A reload of the tab asks for nothing, and whoever leaves is forgotten.
    browser.page.refresh().await.unwrap();
    browser.shows(CONNECTED).await;
    browser.shows(&shown("'hello' → 'hola'", 1)).await;
    browser.sign_out().await;
    browser
        .sign_in(&issuer.token("bob", "jobs:submit jobs:read"))
        .await;
    browser.shows(CONNECTED).await;
    browser
        .shows("document.querySelectorAll('.card').length === 0")
        .await;
    assert_eq!(database.count("ringback.job_history").await, 1);
}

#[tokio::test]
async fn the_console_is_for_those_who_may_see_it() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let alice = issuer.token("alice", "jobs:submit jobs:read");
    let job = Api::with_token(&gateway, &alice)
        .submit("translate", "hello")
        .await;

    let browser = Browser::at(&gateway, "/jobs/").await;
    browser.sign_in(&alice).await;
    browser
        .shows("document.getElementById('feed').textContent === 'This needs a token with the scope admin'")
        .await;
    browser.sign_out().await;
    browser.sign_in(&issuer.token("eve", "admin")).await;
    browser
        .shows("document.getElementById('feed').textContent === 'Live'")
        .await;
    let story = format!("http://{}/jobs/#/jobs/{job}", gateway.address());
    browser.page.goto(&story).await.unwrap();
    browser
        .shows("document.getElementById('view').innerText.includes('hola')")
        .await;
}

#[tokio::test]
async fn a_gateway_without_authentication_asks_no_page_for_anything() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser
        .shows("document.querySelector('dialog') === null")
        .await;
    browser.shows("![...document.querySelectorAll('button')].some((one) => one.textContent === 'Sign out')").await;
    assert_eq!(database.count("ringback.ticket").await, 0);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn tabs_share_a_token_and_whoever_signs_out_is_out_of_all_of_them() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let first = browser.page.window().await.unwrap();
    browser.sign_in(&issuer.token("alice", "admin")).await;
    browser.shows(CONNECTED).await;

    browser.open_beside(&gateway, "/system/").await;
    browser.shows(CONNECTED).await;
    browser.is_of("alice").await;
    browser.sign_out().await;
    browser.shows(ASKED_SOMEWHERE).await;
    browser.page.switch_to_window(first).await.unwrap();
    browser.shows(ASKED_SOMEWHERE).await;
}

#[tokio::test]
async fn a_page_of_docs_in_a_tab_of_its_own_takes_the_token_of_the_others() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.sign_in(&issuer.token("alice", "jobs:submit")).await;
    browser.shows(CONNECTED).await;

    browser.open_beside(&gateway, "/asyncapi/docs/").await;
    browser
        .shows("!document.getElementById('tryit-toggle').hidden")
        .await;
    browser
        .run("document.getElementById('tryit-toggle').click();")
        .await;
    browser
        .shows("document.getElementById('tryit-state').textContent === 'Connected'")
        .await;
    browser.shows(&format!("!({ASKED_SOMEWHERE})")).await;
}

#[tokio::test]
async fn the_question_stays_until_there_is_a_token() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    browser.shows(ASKED).await;
    browser.press(&ESCAPE.repeat(4)).await;
    browser.shows(ASKED).await;
    // What no header can carry.
    browser.sign_in("“quoted”").await;
    browser
        .shows(&format!("{TROUBLE} === 'This is no signed token'"))
        .await;
    browser.sign_in(&issuer.token("alice", "jobs:submit")).await;
    browser.shows(CONNECTED).await;
    browser.is_of("alice").await;
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    browser.resize(320, 640).await;
    browser
        .shows("document.documentElement.scrollWidth === innerWidth")
        .await;
}

#[tokio::test]
async fn another_subject_is_not_shown_what_was_there_before() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let scopes = "jobs:submit jobs:read";
    let short = issuer.token_for("alice", scopes, Duration::from_secs(8));
    browser.sign_in(&short).await;
    browser.shows(CONNECTED).await;
    browser.submit("translate", "hello").await;
    browser
        .shows("document.querySelectorAll('.card').length === 1")
        .await;

    browser.shows(ASKED).await;
    browser.sign_in(&issuer.token("bob", scopes)).await;
    browser.is_of("bob").await;
    browser.shows(CONNECTED).await;
    browser
        .shows("document.querySelectorAll('.card').length === 0")
        .await;
    assert_eq!(database.count("ringback.session").await, 2);
}

#[tokio::test]
async fn the_console_follows_a_job_with_a_token() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    // The gateway knows its tasks from the beginning.
    let _worker = Program::unruly(&database).await;
    let gateway = issuer.serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/jobs/").await;
    browser.sign_in(&issuer.token("eve", "admin")).await;
    let alice = Api::with_token(&gateway, &issuer.token("alice", "jobs:submit"));
    let job = alice.submit("story", "500").await;
    let address = format!("http://{}/jobs/#/jobs/{job}", gateway.address());
    browser.page.goto(&address).await.unwrap();
    browser
        .shows("document.querySelector('.story-state')?.textContent === 'running' && document.querySelector('.said pre')?.textContent.startsWith('1 2 3 ')")
        .await;
    let length = "document.querySelector('.said pre').textContent.length";
    let before = browser.run(&format!("return {length};")).await;
    browser.shows(&format!("{length} > {before}")).await;
    browser
        .shows("document.querySelector('.story-state').textContent === 'succeeded'")
        .await;
}
