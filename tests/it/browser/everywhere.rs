//! What holds on every page, in its fullest state: nothing from elsewhere, no barrier, nothing over the edge.

use serde_json::{Value, json};

use super::session::Browser;
use crate::support::{Api, Program, TestDatabase};

/// The pages, with what says that each is there.
const PAGES: [(&str, &str); 5] = [
    ("/system/", "document.querySelectorAll('.card').length >= 3"),
    ("/jobs/#/", "document.querySelector('main svg')"),
    (
        "/jobs/#/jobs",
        "document.querySelectorAll('main tbody tr').length >= 3",
    ),
    ("/jobs/#/jobs/JOB", "document.querySelector('main h2')"),
    (
        "/asyncapi/docs/",
        "document.querySelectorAll('.thing').length > 10",
    ),
];

/// A job of every kind of end, one that runs and one that waits; the id of the one that failed.
async fn work(api: &Api) -> String {
    let mut failed = String::new();
    for (task, content) in [
        ("count", "1"),
        ("story", "30"),
        ("hold", "3600"),
        ("fail", "<b>markup</b>"),
    ] {
        let job = json!({"task_type": task, "content": content, "stream": true});
        let job = api.submit_as(&job).await;
        if task == "fail" {
            failed = job;
        }
    }
    let later = json!({"task_type": "count", "content": "later", "delay": 3600});
    api.submit_as(&later).await;
    api.finished(&failed).await;
    failed
}

async fn open(browser: &Browser, gateway: &Program, failed: &str, (path, there): (&str, &str)) {
    let path = path.replace("JOB", failed);
    let address = format!("http://{}{path}", gateway.address());
    // A page that differs in its fragment alone is not loaded again.
    browser.page.goto("about:blank").await.unwrap();
    browser.page.goto(&address).await.unwrap();
    browser.shows(there).await;
}

/// A conversation with a job of every kind, as a page has it after a reload.
async fn converse(browser: &Browser) {
    let ask = "
        return import('/static/ringback.js').then(async ({ connect }) => {
            const client = connect();
            const jobs = [['count', '1'], ['fail', '<i>markup</i>'], ['hold', '3600']].map((job) => client.submit(...job));
            await Promise.all(jobs.map((job) => job.id));
            await Promise.allSettled(jobs.slice(0, 2));
        });";
    browser.run(ask).await;
}

#[tokio::test]
async fn nothing_is_asked_of_another_host_and_nobody_is_shut_out_in_light_and_in_the_dark() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let failed = work(&Api::of(&gateway)).await;
    let browser = Browser::at(&gateway, "/system/").await;
    converse(&browser).await;
    // What would be found, where there was something to find.
    browser
        .run("document.body.append(document.createElement('img'));")
        .await;
    assert!(!browser.barriers().await.is_empty());
    browser.page.goto("about:blank").await.unwrap();
    assert!(!browser.other_hosts().await.is_empty());
    for mode in ["light", "dark"] {
        if mode == "dark" {
            browser.darken().await;
        }
        for page in PAGES {
            open(&browser, &gateway, &failed, page).await;
            assert_eq!(
                browser.barriers().await,
                Vec::<String>::new(),
                "{page:?} {mode}"
            );
            let complaints = browser.complaints().await;
            assert_eq!(complaints, Vec::<String>::new(), "{page:?} {mode}");
            let elsewhere = browser.other_hosts().await;
            assert_eq!(elsewhere, Vec::<String>::new(), "{page:?} {mode}");
        }
    }
}

#[tokio::test]
async fn nothing_stands_over_the_edge_of_a_phone() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let failed = work(&Api::of(&gateway)).await;
    let browser = Browser::at(&gateway, "/system/").await;
    converse(&browser).await;
    // A phone, and a page that is shown four times as large on a small screen.
    for width in [375, 320] {
        browser.resize(width, 700).await;
        for page in PAGES {
            open(&browser, &gateway, &failed, page).await;
            let over = "
                const width = document.documentElement.clientWidth;
                // What scrolls or cuts off within itself is not over the edge.
                const isWithin = (part) => part !== document.body && (getComputedStyle(part).overflowX !== 'visible'
                    || isWithin(part.parentElement));
                const over = [...document.querySelectorAll('body *')].filter((part) => {
                    const box = part.getBoundingClientRect();
                    return part.checkVisibility() && box.width > 1 && box.right > width + 1 && !isWithin(part);
                });
                return [document.documentElement.scrollWidth, over.slice(0, 5).map(({ outerHTML }) => outerHTML.slice(0, 200))];";
            assert_eq!(browser.run(over).await, json!([width, []]), "{page:?}");
        }
    }
}

#[tokio::test]
async fn every_file_of_the_pages_forbids_what_it_does_not_need() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::new().await;
    let mut files: Vec<String> = Vec::new();
    for path in ["/system/", "/jobs/", "/asyncapi/docs/"] {
        let address = format!("http://{}{path}", gateway.address());
        browser.page.goto(&address).await.unwrap();
        browser.shows("document.readyState === 'complete'").await;
        let loaded = "return performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname);";
        let loaded: Vec<String> = serde_json::from_value(browser.run(loaded).await).unwrap();
        assert!(
            loaded.contains(&"/static/ringback.js".to_owned())
                || path == "/jobs/"
                || path == "/asyncapi/docs/",
            "{loaded:?}"
        );
        files.extend(
            loaded
                .into_iter()
                .filter(|file| file.starts_with("/static/")),
        );
        files.push(path.to_owned());
    }
    assert!(files.len() > 20, "{files:?}");
    for path in files {
        let answer = Api::of(&gateway)
            .client
            .get(format!("http://{}{path}", gateway.address()));
        let answer = answer.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_ne!(header("content-type"), "application/octet-stream", "{path}");
    }
}

#[tokio::test]
async fn a_script_from_anywhere_else_does_not_run_and_the_browser_says_so() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let browser = Browser::at(&gateway, "/system/").await;
    let title: Value = browser.run("return document.title;").await;
    browser
        .run(
            "const script = document.createElement('script');
             script.textContent = 'document.title = \"taken\"';
             document.body.append(script);",
        )
        .await;
    assert_eq!(browser.run("return document.title;").await, title);
    let complaints = browser.complaints().await;
    assert!(
        complaints
            .iter()
            .any(|said| said.contains("Content Security Policy")),
        "{complaints:?}"
    );
}
