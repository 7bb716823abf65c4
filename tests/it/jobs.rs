//! Looking at jobs, and handling many of them together, from the command line and over HTTP.

mod search;

use serde_json::{Value, json};

use crate::support::{Api, Client, Program, TestDatabase};

/// What a verb prints, once it has ended well.
async fn printed(database: &TestDatabase, arguments: &[&str]) -> String {
    let mut program = Program::start(database, arguments);
    let status = program.ended().await;
    let output = program.output();
    assert!(status.success(), "{arguments:?}: {output}");
    output
}

fn ids(printed: &str) -> Vec<String> {
    let jobs = printed.lines().map(|line| {
        let job: Value = serde_json::from_str(line).unwrap();
        job["id"].as_str().unwrap().to_owned()
    });
    jobs.collect()
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_by_page_and_by_what_they_are() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut submitted = Vec::new();
    for number in 0..5 {
        submitted.push(client.submit("translate", &format!("text {number}")).await);
        client.next().await;
    }
    let later = client
        .submit_with("analyze", json!({"content": "later", "delay": 3600}))
        .await;
    submitted.reverse();

    let all = ids(&printed(&database, &["jobs", "list", "--json"]).await);
    assert_eq!(all[0], later);
    assert_eq!(all[1..], submitted[..]);
    let page = [
        "jobs",
        "list",
        "--json",
        "--limit",
        "2",
        "--before",
        &submitted[1],
    ];
    assert_eq!(ids(&printed(&database, &page).await), submitted[2..4]);
    for (option, value, expected) in [
        ("--state", "scheduled,running", &all[..1]),
        ("--state", "succeeded", &all[1..]),
        ("--task", "analyze", &all[..1]),
        ("--task", "nothing", &[]),
        ("--queue", "default", &all[..]),
        ("--queue", "other", &[]),
    ] {
        let found = ids(&printed(&database, &["jobs", "list", "--json", option, value]).await);
        assert_eq!(found, expected, "{option} {value}");
    }
    let table = printed(&database, &["jobs", "list"]).await;
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(
        table.lines().nth(1).unwrap().contains("scheduled"),
        "{table}"
    );

    let mut wrong = Program::start(&database, &["jobs", "list", "--state", "done"]);
    assert!(!wrong.ended().await.success());
    assert!(
        wrong.output().contains("succeeded, failed, cancelled"),
        "{}",
        wrong.output()
    );
}

#[tokio::test]
async fn a_job_is_shown_with_its_attempts_and_nothing_in_it_reaches_the_terminal() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let _worker = Program::worker(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("nothing", "red \u{1b}[31m text").await;
    client.next().await;
    let text = printed(&database, &["jobs", "show", &job]).await;
    assert!(text.contains("red \\u{1b}[31m text"), "{text}");
    assert!(text.contains("asked for as nothing"), "{text}");
    assert!(text.contains("attempt 1"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");

    let shown = printed(&database, &["jobs", "show", "--json", &job]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["job"]["id"], job.as_str());
    assert_eq!(shown["job"]["input"], "red \u{1b}[31m text");
    assert_eq!(shown["attempts"][0]["attempt"], 1);
    assert_eq!(shown["attempts"][0]["outcome"], shown["job"]["state"]);

    let other = "01912345-0000-7000-8000-000000000000";
    let mut absent = Program::start(&database, &["jobs", "show", other]);
    assert!(!absent.ended().await.success());
    assert!(absent.output().contains("is no job"), "{}", absent.output());
}

#[tokio::test]
async fn many_are_cancelled_and_retried_together_and_each_is_accounted_for() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let mut jobs = Vec::new();
    for number in 0..3 {
        jobs.push(api.submit("translate", &number.to_string()).await);
    }
    let later = json!({"task_type": "translate", "content": "later", "delay": 3600});
    jobs.push(api.submit_as(&later).await);
    let nobody = "01912345-0000-7000-8000-000000000000";
    let ask = async |what: &str, body: Value| {
        let answer = api.post_json(&format!("/api/v1/jobs/{what}"), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let ids = json!([jobs[0], jobs[1], jobs[3], nobody]);
    assert_eq!(
        ask("cancel", json!({"ids": ids, "states": ["ready"]})).await,
        json!({"cancelled": 2, "cancelling": 0, "unchanged": 2})
    );
    assert_eq!(
        ask(
            "retry",
            json!({"ids": [jobs[0], jobs[1], jobs[2], jobs[3], nobody]})
        )
        .await,
        json!({"submitted": 2, "due": 2, "unchanged": 1})
    );
    // Once is enough.
    assert_eq!(
        ask("retry", json!({"ids": [jobs[0], jobs[1]]})).await,
        json!({"submitted": 0, "due": 0, "unchanged": 2})
    );
    let _worker = Program::worker(&database, &[]).await;
    for job in &jobs[2..] {
        assert_eq!(api.finished(job).await["state"], "succeeded");
    }
    for (body, code) in [
        (json!({}), "missing"),
        (json!({"ids": []}), "too_large"),
        (json!({"ids": vec![nobody; 501]}), "too_large"),
        (json!({"ids": "all"}), "list_type"),
        (json!({"ids": ["x"]}), "uuid_parsing"),
        (json!({"ids": [nobody], "states": ["gone"]}), "value_error"),
        (json!([]), "model_type"),
    ] {
        let answer = api.post_json("/api/v1/jobs/cancel", &body).await;
        answer.is_error(422, code);
    }
}

#[tokio::test]
async fn what_a_job_has_said_is_listed_piece_by_piece_with_its_attempts() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let story = json!({"task_type": "story", "content": "12", "stream": true});
    let job = api.submit_as(&story).await;
    api.finished(&job).await;
    let path = format!("/api/v1/jobs/{job}/chunks");
    let said = api.get(&path).await.body;
    let pieces = said["chunks"].as_array().unwrap();
    let texts: Vec<&str> = pieces
        .iter()
        .map(|piece| piece["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.concat(), "1 2 3 4 5 6 7 8 9 10 11 12 ");
    assert_eq!(
        (&pieces[11]["attempt"], &pieces[11]["seq"]),
        (&json!(1), &json!(12))
    );
    assert_eq!(said["next"], Value::Null);
    let rest = api.get(&format!("{path}?after=1-10")).await.body;
    assert_eq!(rest["chunks"].as_array().unwrap()[..], pieces[10..]);
    api.get(&format!("{path}?after=x"))
        .await
        .is_error(422, "value_error");
    let nobody = "/api/v1/jobs/01912345-0000-7000-8000-000000000000/chunks";
    api.get(nobody).await.is_error(404, "not_found");

    // More than one reading takes.
    database
        .execute(&format!(
            "insert into ringback.job_event (job_id, attempt, seq, text)
             select '{job}', 2, seq, 'piece ' from generate_series(1, 600) as seq"
        ))
        .await;
    let first = api.get(&path).await.body;
    assert_eq!(first["chunks"].as_array().unwrap().len(), 500);
    assert_eq!(first["next"], "2-488");
    let second = api.get(&format!("{path}?after=2-488")).await.body;
    assert_eq!(second["chunks"].as_array().unwrap().len(), 112);
}
