//! The story of one job.

use serde_json::json;

use super::Console;

#[tokio::test]
async fn a_story_has_every_attempt_with_its_error_and_what_the_job_said() {
    let console = Console::at("#/").await;
    let id = console.api.submit("late", "5").await;
    console.api.finished(&id).await;
    for piece in 1..=3 {
        console
            .database
            .execute(&format!(
                "insert into ringback.job_event (job_id, attempt, seq, text) values ('{id}', 1, {piece}, 'piece {piece}, ')"
            ))
            .await;
    }
    console.go(&format!("#/jobs/{id}")).await;
    console.says(".story-state", "failed").await;
    let titles = "return [...document.querySelectorAll('.timeline .what b')].map((title) => title.textContent);";
    console.says(".timeline", "and the job with it").await;
    assert_eq!(
        console.browser.run(titles).await,
        json!([
            "Queued",
            "Attempt 1 started",
            "Attempt 1 failed",
            "Attempt 2 started",
            "Attempt 2 failed, and the job with it"
        ])
    );
    let errors = "return [...document.querySelectorAll('.timeline .error')].map((error) => error.textContent);";
    let error = "the task took longer than 500ms";
    assert_eq!(console.browser.run(errors).await, json!([error, error]));
    assert_eq!(
        console.text(".value-of-job[data-tone=bad] pre").await,
        error
    );
    console
        .says(".said pre", "piece 1, piece 2, piece 3, ")
        .await;
    console
        .says(".said summary", "3 pieces, 27 characters")
        .await;
    let differences = "return [...document.querySelectorAll('.difference')].every((each) => /^\\+\\d/.test(each.textContent));";
    assert_eq!(console.browser.run(differences).await, json!(true));
    let title = console.browser.page.title().await.unwrap();
    assert_eq!(title, format!("late failed · {id} · Ringback"));

    // Once more, and from the one to the other.
    console.press_button("story", "Retry").await;
    console.says(".facts-of-job", "Retried as").await;
    let again = console.api.job(&id).await["retried_as"]
        .as_str()
        .unwrap()
        .to_owned();
    console
        .click(&format!(".facts-of-job a[href='#/jobs/{again}']"))
        .await;
    console.says(".facts-of-job", "Retry of").await;
    console.says(".facts-of-job", &id).await;
    console
        .says(".timeline", "Attempt 2 failed, and the job with it")
        .await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn a_story_is_told_while_the_job_runs() {
    let console = Console::at("#/").await;
    let id = console.api.submit("story", "500").await;
    console.go(&format!("#/jobs/{id}")).await;
    console.says(".timeline", "Attempt 1 runs").await;
    console.says(".said pre", "1 2 3 ").await;
    assert_eq!(console.text(".story-state").await, "running");
    let length = "return document.querySelector('.said pre').textContent.length;";
    let before = console.browser.run(length).await;
    console
        .shows(&format!(
            "document.querySelector('.said pre').textContent.length > {before}"
        ))
        .await;
    console.says(".story-state", "succeeded").await;
    console
        .says(".timeline", "Attempt 1 succeeded, and the job with it")
        .await;
    let whole: String = (1..=500).map(|piece| format!("{piece} ")).collect();
    assert_eq!(console.text(".said pre").await, whole);
    console
        .says(".value-of-job:nth-of-type(2) pre", "500")
        .await;

    // How far it is.
    let id = console.api.submit("busy", "").await;
    console.go(&format!("#/jobs/{id}")).await;
    console
        .shows("document.querySelector('.progress progress').value > 0")
        .await;
    console.says(".progress", "busy").await;
    console.says(".story-state", "succeeded").await;
    console
        .shows("document.querySelector('.progress').hidden")
        .await;
    console.complains_of_nothing().await;
}

#[tokio::test]
async fn a_structured_content_is_shown_as_json_and_an_unknown_job_is_said_to_be_unknown() {
    let console = Console::at("#/").await;
    let input = json!({"order": 17, "lines": [{"sku": "a"}]});
    let id = console
        .api
        .submit_as(&json!({"task_type": "count", "input": input}))
        .await;
    console.go(&format!("#/jobs/{id}")).await;
    let pretty = serde_json::to_string_pretty(&input).unwrap();
    console
        .shows("document.querySelector('.value-of-job.json pre')")
        .await;
    let shown = console.text(".value-of-job.json pre").await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown, input);
    assert!(console.text(".value-of-job.json pre").await.lines().count() == pretty.lines().count());
    console.complains_of_nothing().await;

    for id in ["01900000-0000-7000-8000-000000000000", "nonsense"] {
        console.go(&format!("#/jobs/{id}")).await;
        console.says("h1", "There is no such job").await;
        console.says(".trouble[role=alert]", id).await;
    }
}
