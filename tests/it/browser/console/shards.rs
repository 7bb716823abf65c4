//! Several shards, of which an operator looks at one.

use fantoccini::Locator;
use ringback::auth::Algorithm;

use crate::browser::session::Browser;
use crate::support::{Api, Issuer, Program, TestDatabase};

#[tokio::test]
async fn whoever_looks_after_all_looks_at_one_shard_after_the_other() {
    let databases = [TestDatabase::new().await, TestDatabase::new().await];
    let urls = format!("{} {}", databases[0].url, databases[1].url);
    let issuer = Issuer::new(Algorithm::Hs256);
    let settings = [&["--database-urls", &urls], &issuer.settings()[..]].concat();
    let gateway = Program::serve_at("", &settings).await;
    let _worker = Program::worker_at("", &["--database-urls", &urls]).await;
    for owner in ["alice", "dave"] {
        let api = Api::with_token(&gateway, &issuer.token(owner, "jobs:submit jobs:read"));
        let job = api.submit("default", &format!("of {owner}")).await;
        api.finished(&job).await;
    }
    let browser = Browser::at(&gateway, "/jobs/#/jobs").await;
    browser.sign_in(&issuer.token("alice", "admin")).await;
    let lists = |owner: &str, other: &str| {
        let text = "document.getElementById('view').innerText";
        format!("{text}.includes('of {owner}') && !{text}.includes('of {other}')")
    };
    browser.shows(&lists("alice", "dave")).await;
    browser
        .shows("document.querySelectorAll('.shard').length === 2")
        .await;
    assert_eq!(browser.barriers().await, Vec::<String>::new());
    let click = async |link| {
        let link = browser.page.find(link).await.unwrap();
        link.click().await.unwrap();
    };
    let second = Locator::LinkText("Shard 2");
    click(second).await;
    browser
        .shows("document.querySelector('.shard a[aria-current]')?.textContent === 'Shard 2'")
        .await;
    let jobs = Locator::Id("to-jobs");
    click(jobs).await;
    browser.shows(&lists("dave", "alice")).await;
    if let Some(folder) = std::env::var_os("RINGBACK_PICTURES") {
        let picture = browser.picture().await;
        std::fs::write(std::path::Path::new(&folder).join("shards.png"), picture).unwrap();
    }
}
