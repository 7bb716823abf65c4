//! Looking for jobs in a long history: what is rare is found, and little is read for it.

use ringback::ids::JobId;
use ringback::queue::jobs::{self, Filter};
use ringback::wire::JobState;
use serde_json::json;
use sqlx::{Acquire, PgConnection};

use super::{ids, printed};
use crate::support::{Api, Program, TestDatabase};

#[tokio::test]
async fn a_page_and_the_ids_of_many_jobs_are_read_along_indexes_whenever_they_were_planned() {
    let database = TestDatabase::new().await;
    let ours = database.database();
    let mut connection = ours.pool().acquire().await.unwrap();
    // Nor planned again, when the server has counted what there is.
    database
        .execute(
            "do $$ declare part regclass; begin
                 for part in select inhrelid from pg_inherits where inhparent = 'ringback.job_history'::regclass loop
                     execute format('alter table %s set (autovacuum_enabled = off)', part);
                 end loop;
             end $$",
        )
        .await;
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
    let hidden = hidden.fetch_one(&database.pool).await.unwrap();
    // As the server does by itself, sooner or later; between the two the planner reads the ends of the indexes.
    database
        .execute("vacuum (analyze) ringback.job_history")
        .await;
    hidden
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
            let (page, read) = ours
                .browse(async |connection| {
                    let mut transaction = connection.begin().await?;
                    let until_now = rows_read(&mut transaction).await;
                    let page = jobs::page(&mut transaction, &filter, before, 50).await?;
                    Ok((page, rows_read(&mut transaction).await - until_now))
                })
                .await
                .unwrap();
            assert!(read <= most, "{read} rows were read for {filter:?}");
            found.extend(page.jobs.into_iter().map(|job| job.id.to_string()));
            before = page.next;
            if before.is_none() {
                assert_eq!(look, looks, "{filter:?}");
                break;
            }
        }
        assert_eq!(found, [hidden.as_str()], "{filter:?}");
        let ids = ours.browse(async |connection| jobs::ids(connection, &filter).await);
        let ids = ids.await.unwrap();
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
