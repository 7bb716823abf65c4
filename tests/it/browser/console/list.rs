//! Which jobs there are.

use std::collections::HashSet;

use serde_json::json;

use super::Console;
use crate::browser::session::{ENTER, ESCAPE, TAB};

#[tokio::test]
async fn filters_and_search_find_what_they_should_and_are_in_the_address() {
    let console = Console::at("#/").await;
    let mut ids = Vec::new();
    for (task, content) in [
        ("count", "red apples"),
        ("count", "green apples"),
        ("fail", "Red pears"),
        ("fail", "plums"),
    ] {
        let id = console.api.submit(task, content).await;
        console.api.finished(&id).await;
        ids.push(id);
    }
    let [red_apples, _, red_pears, plums] = &ids[..] else {
        unreachable!("there are four");
    };
    console.go("#/jobs").await;
    console.lists(4).await;
    console.click(".chips label:has([value=failed])").await;
    console.lists(2).await;
    assert_eq!(console.listed().await, [plums.as_str(), red_pears]);
    assert_eq!(console.hash().await, "#/jobs?state=failed");
    assert_eq!(
        console.browser.page.title().await.unwrap(),
        "Jobs: failed · Ringback"
    );

    console.click("input[name=search]").await;
    console.browser.press("RED").await;
    console.lists(1).await;
    assert_eq!(console.listed().await, [red_pears.as_str()]);
    assert_eq!(console.hash().await, "#/jobs?state=failed&search=RED");

    // Each way back is one question back, and the form says what is asked.
    console.browser.run("history.back();").await;
    console.lists(2).await;
    console
        .shows("document.querySelector('input[name=search]').value === ''")
        .await;
    console.browser.run("history.back();").await;
    console.lists(4).await;
    console
        .shows("!document.querySelector('.chips :checked')")
        .await;

    // An address is enough.
    console
        .go("#/jobs?task=count&search=red&since=2020-01-01T00:00:00Z")
        .await;
    console.lists(1).await;
    assert_eq!(console.listed().await, [red_apples.as_str()]);
    let form = "const value = (name) => document.querySelector(`input[name=${name}]`).value;
        return [value('task'), value('search'), value('since').slice(0, 4), value('owner')];";
    let since = console.browser.run(form).await;
    assert_eq!(since[0], "count");
    assert_eq!(since[1], "red");
    assert!(["2019", "2020"].contains(&since[2].as_str().unwrap()));
    assert_eq!(since[3], "");
    console.go("#/jobs?owner=nobody").await;
    console
        .says(".empty:not([hidden])", "No job matches this filter")
        .await;
    console.press_button("fields", "Clear").await;
    console.lists(4).await;
    assert_eq!(console.hash().await, "#/jobs");
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn older_pages_go_on_where_the_page_before_ended_and_lead_back_to_the_newest() {
    let console = Console::at("#/jobs").await;
    let statement = "select ringback.enqueue('count', content => each::text, delay => '1 hour')
        from generate_series(1, 120) as each";
    console.database.execute(statement).await;
    console.press_button("look", "Newer jobs").await;
    console.lists(50).await;
    let mut seen = console.listed().await;
    console.press_button("pager", "Older").await;
    console
        .shows(&format!(
            "document.querySelector('.jobs .cell-job a')?.hash !== '#/jobs/{}'",
            seen[0]
        ))
        .await;
    console.lists(50).await;
    let second = console.listed().await;
    let second_page = console.hash().await;
    seen.extend(second.clone());
    console.press_button("pager", "Older").await;
    console.lists(20).await;
    seen.extend(console.listed().await);
    let distinct: HashSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), 120);
    assert!(
        seen.is_sorted_by(|newer, older| newer > older),
        "the newest come first"
    );
    console.browser.run("history.back();").await;
    console.lists(50).await;
    assert_eq!(console.hash().await, second_page);
    assert_eq!(console.listed().await, second);
    console.press_button("pager", "Newest").await;
    console
        .shows(&format!(
            "document.querySelector('.jobs .cell-job a')?.hash === '#/jobs/{}'",
            seen[0]
        ))
        .await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn what_is_seldom_is_looked_for_far_back_until_somebody_stops_it() {
    let console = Console::at("#/").await;
    console.database.fill_history().await;
    let needle = "update ringback.job_history set input = '\"a needle\"'
        where id = (select id from ringback.job_history order by id limit 1)";
    console.database.execute(needle).await;
    console.go("#/jobs?search=needle").await;
    console.lists(1).await;
    console.says(".content", "a needle").await;
    // Of what is nowhere, it is said how far back was looked when somebody stopped it; from there it goes on.
    let wait_after_one = "const ask = window.fetch; let looks = 0;
        const open = new Promise((resolve) => (window.goOn = resolve));
        window.fetch = async (path, how) => {
            if (path.includes('nowhere') && ++looks > 1) await Promise.race([open, new Promise((_, reject) =>
                how.signal.addEventListener('abort', () => reject(how.signal.reason)))]);
            return ask(path, how);
        };";
    console.browser.run(wait_after_one).await;
    console.go("#/jobs?search=nowhere").await;
    console
        .says(".looked", "Looking… 0 jobs so far, looked back to ")
        .await;
    console.press_button("look", "Stop").await;
    console
        .shows("/^0 jobs so far, looked back to .*\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('.looked').textContent)")
        .await;
    console.browser.run("goOn();").await;
    console.press_button("look", "Go on").await;
    console
        .says(".empty:not([hidden])", "No job matches this filter")
        .await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn rows_change_where_they_stand_and_newer_jobs_wait_behind_a_button() {
    let console = Console::at("#/").await;
    let held = console.api.submit("hold", "60").await;
    console.go("#/jobs").await;
    console.lists(1).await;
    console.says(".jobs tbody tr", "running").await;
    console
        .browser
        .run("document.querySelector('.jobs tbody tr').dataset.mark = 'the same';")
        .await;
    console
        .api
        .post(&format!("/api/v1/jobs/{held}/cancel"))
        .await;
    console.says(".jobs tbody tr[data-mark]", "cancelled").await;
    let newer = console.api.submit("hold", "60").await;
    console
        .shows("!document.querySelector('.newer').hidden")
        .await;
    assert_eq!(console.listed().await, [held.as_str()]);
    console.press_button("look", "Newer jobs").await;
    console.lists(2).await;
    assert_eq!(console.listed().await, [newer.as_str(), &held]);
    console
        .shows("document.querySelector('.newer').hidden")
        .await;

    // Into a state jobs come anywhere in the list.
    console.go("#/jobs?state=scheduled").await;
    console.lists(0).await;
    let later = json!({"task_type": "count", "content": "", "delay": 3600});
    let later = console.api.submit_as(&later).await;
    console.press_button("look", "Refresh").await;
    console.lists(1).await;
    assert_eq!(console.listed().await, [later]);
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn everything_is_reached_and_done_by_keyboard_alone() {
    let console = Console::at("#/").await;
    let held = console.api.submit("hold", "60").await;
    let tab_to = async |what: &str| {
        let there = format!("return document.activeElement.matches({});", json!(what));
        for _ in 0..60 {
            if console.browser.run(&there).await == json!(true) {
                return;
            }
            console.browser.press(TAB).await;
        }
        panic!("{what} is not reached");
    };
    tab_to("#to-jobs").await;
    console.browser.press(ENTER).await;
    console.lists(1).await;
    console.shows("document.activeElement.matches('h1')").await;
    tab_to(".chips [value=running]").await;
    console.browser.press(" ").await;
    console.lists(1).await;
    assert_eq!(console.hash().await, "#/jobs?state=running");
    // Filtering does not take the focus away.
    console
        .shows("document.activeElement.matches('[value=running]')")
        .await;
    tab_to(".jobs tbody [type=checkbox]").await;
    console.browser.press(" ").await;
    console.says(".selected", "1 selected").await;
    tab_to(".cell-job a").await;
    console.browser.press(ENTER).await;
    console.says(".story-state", "running").await;
    console.shows("document.activeElement.matches('h1')").await;
    assert_eq!(console.hash().await, format!("#/jobs/{held}"));

    // The first thing that Enter does in a question is nothing, and so is Escape.
    tab_to(".story .danger").await;
    console.browser.press(ENTER).await;
    console
        .shows("document.activeElement.textContent === 'Keep it'")
        .await;
    console.browser.press(ENTER).await;
    console.shows("!document.querySelector('dialog')").await;
    console
        .shows("document.activeElement.matches('.story .danger')")
        .await;
    console.browser.press(ENTER).await;
    console
        .shows("document.querySelector('dialog[open]')")
        .await;
    console.browser.press(ESCAPE).await;
    console.shows("!document.querySelector('dialog')").await;
    assert_eq!(console.api.job(&held).await["is_cancelling"], json!(false));
    console.browser.press(ENTER).await;
    tab_to("dialog .danger").await;
    console.browser.press(ENTER).await;
    console.says(".story-state", "cancelled").await;
    assert_eq!(console.api.finished(&held).await["state"], "cancelled");
    console.complains_of_nothing().await;
}
