//! Looking at jobs from the command line.

use ringback::ids::JobId;
use ringback::queue::jobs::{self, Filter};
use ringback::wire::JobState;
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};

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
async fn a_page_and_the_ids_of_many_jobs_are_read_along_indexes_whenever_they_were_planned() {
    let database = TestDatabase::new().await;
    let ours = database.database();
    let mut connection = ours.pool().acquire().await.unwrap();
    // Planned while there is nothing, and used when there is.
    let all = Filter::default();
    for _ in 0..10 {
        jobs::page(&mut connection, &all, None, 50).await.unwrap();
        jobs::ids(&mut connection, &all).await.unwrap();
    }
    database.fill_history().await;
    let mut transaction = connection.begin().await.unwrap();
    let (mut before, mut seen) = (None, 0);
    for _ in 0..10 {
        let page = jobs::page(&mut transaction, &all, before, 50)
            .await
            .unwrap();
        assert!(
            page.jobs
                .iter()
                .all(|job| before.is_none_or(|before| job.id < before))
        );
        seen += page.jobs.len();
        before = page.next;
    }
    assert_eq!(seen, 500);
    let of_pages = rows_read(&mut transaction).await;
    // Each is found, and then read.
    assert!(
        of_pages <= 10 * (51 + 50),
        "{of_pages} rows were read for 500"
    );
    let ids = jobs::ids(&mut transaction, &all).await.unwrap();
    let of_ids = rows_read(&mut transaction).await - of_pages;
    let there = i64::try_from(ids.len()).unwrap();
    assert_eq!(there, 86_401);
    assert!(
        of_ids <= there + 100,
        "{of_ids} rows were read for {there} ids"
    );
}

/// An old job among many others: of another task, failed, and with a word in its content that no other has.
async fn hide_one(database: &TestDatabase) -> String {
    database.fill_history().await;
    let hidden = sqlx::query_scalar(
        "update ringback.job_history
         set task = 'rare', task_type = 'rare', input = '\"Hay, a NEEDLE, hay\"', state = 'failed', result = null,
             error_code = 'task_failed'
         where id = (select id from ringback.job_history order by id offset 1000 limit 1)
         returning id::text",
    );
    hidden.fetch_one(&database.pool).await.unwrap()
}

#[tokio::test]
async fn however_rare_what_one_looks_for_is_a_look_reads_no_more_than_its_part_of_the_history() {
    let database = TestDatabase::new().await;
    let hidden = hide_one(&database).await;
    let ours = database.database();
    let with = |filter: Filter, most: i64, looks: usize| (filter, most, looks);
    let filter = Filter::default;
    let rare = Some("rare".to_owned());
    for (filter, most, looks) in [
        with(
            Filter {
                task: rare.clone(),
                ..filter()
            },
            100_100,
            2,
        ),
        with(
            Filter {
                search: Some("needle".to_owned()),
                ..filter()
            },
            10_100,
            18,
        ),
        // What did not succeed has an index of its own, whatever else is asked.
        with(
            Filter {
                states: vec![JobState::Failed],
                ..filter()
            },
            10,
            1,
        ),
        with(
            Filter {
                states: vec![JobState::Failed, JobState::Running],
                search: Some("a needle,".to_owned()),
                ..filter()
            },
            10,
            1,
        ),
        with(
            Filter {
                ids: Some(vec![hidden.parse().map(JobId).unwrap()]),
                ..filter()
            },
            5,
            1,
        ),
    ] {
        let mut before = None;
        let mut found = Vec::new();
        for look in 1.. {
            // As whoever looks around does.
            let mut connection = ours.browsing().acquire().await.unwrap();
            let mut transaction = connection.begin().await.unwrap();
            let until_now = rows_read(&mut transaction).await;
            let page = jobs::page(&mut transaction, &filter, before, 50)
                .await
                .unwrap();
            let read = rows_read(&mut transaction).await - until_now;
            assert!(read <= most, "{read} rows were read for {filter:?}");
            found.extend(page.jobs.into_iter().map(|job| job.id.to_string()));
            before = page.next;
            if before.is_none() {
                assert_eq!(look, looks, "{filter:?}");
                break;
            }
        }
        assert_eq!(found, [hidden.as_str()], "{filter:?}");
        let mut connection = ours.browsing().acquire().await.unwrap();
        let ids = jobs::ids(&mut connection, &filter).await.unwrap();
        assert_eq!(ids.len(), 1, "{filter:?}");
    }
}

#[tokio::test]
async fn what_is_hidden_in_a_long_history_is_found_from_the_command_line_and_over_http() {
    let database = TestDatabase::new().await;
    let hidden = hide_one(&database).await;
    let list = ["jobs", "list", "--json", "--search", "needle"];
    assert_eq!(ids(&printed(&database, &list).await), [hidden.as_str()]);
    let nothing = ["jobs", "list", "--json", "--search", "Nadel"];
    assert!(printed(&database, &nothing).await.is_empty());

    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let follow = async |path: &str, of: &str| {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = api.get(&format!("{path}{cursor}")).await.body;
            found.extend(page[of].as_array().unwrap().clone());
            match page["next"].as_str() {
                None => return found,
                Some(next) => cursor = format!("&cursor={next}"),
            }
        }
    };
    let jobs = follow("/api/v1/jobs?search=NEEDLE", "jobs").await;
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["id"], hidden.as_str());
    let ids = follow("/api/v1/jobs/ids?task=rare", "ids").await;
    assert_eq!(ids, [json!(hidden)]);
    let all = follow("/api/v1/jobs/ids?state=succeeded", "ids").await;
    assert_eq!(all.len(), 86_400);
    let named = api
        .get(&format!("/api/v1/jobs?id={hidden},{hidden}&state=failed"))
        .await;
    assert_eq!(named.body["jobs"].as_array().unwrap().len(), 1);
    let other = api
        .get(&format!("/api/v1/jobs?id={hidden}&state=running"))
        .await;
    assert_eq!(other.body["jobs"], json!([]));
    api.get("/api/v1/jobs?id=7")
        .await
        .is_error(422, "uuid_parsing");
    let many = vec![hidden.as_str(); 101].join(",");
    api.get(&format!("/api/v1/jobs?id={many}"))
        .await
        .is_error(422, "too_large");
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

/// How many rows of our tables this connection has read lately: what it has read since is the difference.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    let query =
        "select (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint from pg_stat_xact_user_tables
        where schemaname = 'ringback'";
    sqlx::query_scalar(query)
        .fetch_one(connection)
        .await
        .unwrap()
}
