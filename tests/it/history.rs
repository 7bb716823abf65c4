//! The history, in SQL.

use sqlx::Row;

use crate::support::{Client, Program, TestDatabase, eventually};

#[tokio::test]
async fn the_view_tells_the_story_of_every_job() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let job = client.submit("shout", "hello").await;
    let live = sqlx::query("select * from ringback.jobs")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(live.get::<String, _>("state"), "ready");
    assert_eq!(live.get::<Option<String>, _>("result"), None);

    let _worker = Program::worker(&database, &[]).await;
    assert_eq!(client.next().await.text(), "✅ Processed: HELLO");
    let done = sqlx::query("select *, finished_at >= started_at and started_at >= queued_at as ordered from ringback.jobs")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(done.get::<uuid::Uuid, _>("id").to_string(), job);
    assert_eq!(done.get::<String, _>("task"), "default");
    assert_eq!(done.get::<String, _>("task_type"), "shout");
    assert_eq!(done.get::<String, _>("content"), "hello");
    assert_eq!(done.get::<String, _>("state"), "succeeded");
    assert_eq!(done.get::<String, _>("result"), "✅ Processed: HELLO");
    assert_eq!(done.get::<String, _>("owner"), "anonymous");
    assert_eq!(done.get::<i32, _>("attempts"), 1);
    assert!(done.get::<bool, _>("ordered"));
    assert_eq!(
        database
            .count("ringback.attempts where outcome = 'succeeded'")
            .await,
        1
    );
    assert_eq!(
        database
            .count("ringback.latency_by_task where finished = 1")
            .await,
        1
    );
}

#[tokio::test]
async fn the_views_keep_their_columns() {
    let database = TestDatabase::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select table_name || ': ' || string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position)
         from information_schema.columns where table_schema = 'ringback'
         and table_name in ('jobs', 'attempts', 'queue_health', 'latency_by_task')
         group by table_name order by table_name",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(
        columns,
        [
            "attempts: job_id uuid, attempt integer, worker_id uuid, started_at timestamp with time zone, \
             ended_at timestamp with time zone, outcome text, error_code text, error text",
            "jobs: id uuid, connection_id uuid, session_id uuid, owner text, task text, task_type text, content text, \
             state text, result text, error text, attempts integer, queued_at timestamp with time zone, \
             started_at timestamp with time zone, finished_at timestamp with time zone, waited interval, ran interval, retry_of uuid, retried_as uuid",
            "latency_by_task: task text, finished bigint, failed bigint, waited_p50 interval, waited_p95 interval, \
             ran_p50 interval, ran_p95 interval",
            "queue_health: queue text, ready bigint, scheduled bigint, running bigint, oldest_wait interval, \
             paused_at timestamp with time zone, held bigint, waiting bigint, workers bigint, slots bigint",
        ]
    );
}

#[tokio::test]
async fn the_latest_jobs_are_read_along_indexes_on_both_sides_of_the_view() {
    let database = TestDatabase::new().await;
    database.fill_history().await;
    database.execute("analyze ringback.job_history").await;
    let plan: Vec<String> = sqlx::query_scalar("explain (analyze, buffers off, costs off, timing off, summary off) select * from ringback.jobs order by queued_at desc limit 50")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Merge Append"), "{plan}");
    assert!(
        plan.contains("Index Scan Backward using job_created on job"),
        "{plan}"
    );
    assert!(!plan.contains("Seq Scan on job_history"), "{plan}");
    let most = plan.lines().filter_map(|line| {
        line.split("rows=")
            .nth(1)?
            .split(' ')
            .next()?
            .parse::<f64>()
            .ok()
    });
    assert!(
        most.fold(0.0, f64::max) <= 51.0,
        "more rows were read than shown:\n{plan}"
    );
}

#[tokio::test]
async fn illegal_rows_are_impossible() {
    let database = TestDatabase::new().await;
    let insert = "insert into ringback.job (id, task, task_type, queue, input, rank, run_at, max_attempts, state";
    let values = "values (gen_random_uuid(), 'a', 'a', 'default', '1', 0, now(), 1";
    for (columns, more) in [
        (") ", ", 'running')"),
        (", claim_id) ", ", 'ready', gen_random_uuid())"),
        (", started_at) ", ", 'ready', now())"),
        (") ", ", 'done')"),
    ] {
        let statement = format!("{insert}{columns}{values}{more}");
        let result = sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
            .execute(&database.pool)
            .await;
        assert!(result.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn url_prints_what_psql_opens() {
    let database = TestDatabase::new().await;
    let mut url = Program::start(&database, &["url"]);
    assert!(url.ended().await.success());
    eventually("the URL should be printed", async || {
        url.output() == database.url
    })
    .await;
}
