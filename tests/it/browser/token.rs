//! Signing in, where the gateway asks for a token.

use std::time::Duration;

use fantoccini::Locator;
use ringback::auth::Algorithm;

use super::session::{Browser, ENTER};
use super::system::CONNECTED;
use crate::support::{Api, Issuer, Program, TestDatabase};

const ASKED: &str =
    "document.querySelector('dialog.sign-in[open] input') === document.activeElement";
const TROUBLE: &str = "document.querySelector('.sign-in .trouble').textContent";

impl Browser {
    /// Gives the page a token, as a person does.
    async fn sign_in(&self, token: &str) {
        self.shows(ASKED).await;
        let input = Locator::Css("dialog.sign-in input");
        let input = self.page.find(input).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(&format!("{token}{ENTER}")).await.unwrap();
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
    let gateway = Program::serve(&database, &issuer.settings()).await;
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
    let leave = Locator::XPath("//button[text()='Sign out']");
    browser
        .page
        .find(leave)
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
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
    let gateway = Program::serve(&database, &issuer.settings()).await;
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
    let leave = Locator::XPath("//button[text()='Sign out']");
    browser
        .page
        .find(leave)
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
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
