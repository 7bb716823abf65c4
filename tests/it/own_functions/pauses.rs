//! Functions that are away for a while: their jobs wait, and are not burned on them.

use super::*;

#[tokio::test]
async fn while_a_function_is_away_its_jobs_wait_and_keep_their_attempts() {
    const JOBS: usize = 300;
    let is_back = Arc::new(AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let endpoint = Endpoint::new(move |_, asked| {
        if asked.path == "/other" {
            Reply::json(&json!("done by another"))
        } else if back.load(Ordering::Relaxed) {
            Reply::json(&json!("done"))
        } else {
            Reply::new("502 Bad Gateway", "", "")
        }
    })
    .await;
    let fleet = Fleet::with(
        &format!(
            "[tasks.invoice]\nurl = \"{}\"\npause_after = 3\nretry_delay = \"10ms\"\n[tasks.other]\nurl = \"{}\"\n",
            endpoint.url("/"),
            endpoint.url("/other")
        ),
        &["--concurrency", "4"],
        "info",
    )
    .await;
    let jobs: Vec<Value> = (0..JOBS)
        .map(|number| json!({"task_type": "invoice", "input": number}))
        .collect();
    let answer = fleet
        .api
        .post_json("/api/v1/jobs/batch", &json!({"jobs": jobs}))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    fleet.worker.printed("its jobs are paused").await;
    let mut circuits = Value::Null;
    eventually("it should be shown", async || {
        let overview = fleet.api.get("/api/v1/overview").await.body;
        circuits = overview["workers"][0]["circuits"].clone();
        circuits[0]["task"] == "invoice"
    })
    .await;
    assert_eq!(circuits.as_array().unwrap().len(), 1, "{circuits}");
    assert!(circuits[0]["failures"].as_i64().unwrap() >= 3, "{circuits}");
    let until: jiff::Timestamp = circuits[0]["until"].as_str().unwrap().parse().unwrap();
    let remaining = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((-60..=300).contains(&remaining), "{remaining}");
    // All of them have met it. Only what was called counts: to be put off is no attempt.
    let all = i64::try_from(JOBS).unwrap();
    let scheduled = "ringback.job where state = 'scheduled' and task = 'invoice'";
    eventually(
        "all should wait, and nothing else be held against them",
        async || {
            let called = i64::try_from(endpoint.asked().len()).unwrap();
            let failures = fleet.database.sum("failures").await;
            // Whoever was tried after it opened has only found out that nobody is there yet.
            fleet.database.count(scheduled).await == all
                && (called - 2..=called).contains(&failures)
                && fleet.database.sum("attempt").await == failures
                && fleet.database.count("ringback.job_attempt").await == failures
        },
    )
    .await;
    // Those that opened it and those that ran beside them; and perhaps one that was tried.
    let called = endpoint.asked().len();
    assert!((3..=3 + 4 + 2).contains(&called), "{called} calls");
    // Others are not affected.
    assert_eq!(
        fleet.run("other", &json!(1)).await["result"],
        "done by another"
    );

    is_back.store(true, Ordering::Relaxed);
    fleet.worker.printed("the function answers again").await;
    eventually_all_done(&fleet, JOBS).await;
    eventually("it should be shown no more", async || {
        let overview = fleet.api.get("/api/v1/overview").await.body;
        overview["workers"][0]["circuits"] == json!([])
    })
    .await;
    let log = fleet.worker.output();
    assert_eq!(
        log.matches("its jobs are paused").count(),
        1,
        "it is said once"
    );
    assert_eq!(log.matches("the function answers again").count(), 1);
}

async fn eventually_all_done(fleet: &Fleet, jobs: usize) {
    let done = "ringback.job_history where task = 'invoice' and state = 'succeeded'";
    eventually("all should be done", async || {
        fleet.database.count(done).await == i64::try_from(jobs).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_cannot_reach_a_function_leaves_its_jobs_to_those_that_can() {
    let endpoint = Endpoint::new(|_, _| Reply::json(&json!("done"))).await;
    let invoice = |url: &str| {
        format!("[tasks.invoice]\nurl = \"{url}\"\npause_after = 1\nretry_delay = \"10ms\"\n")
    };
    // Where nobody listens.
    let mut fleet = Fleet::new(&invoice("http://127.0.0.1:9/")).await;
    let job = json!({"task_type": "invoice", "input": 0});
    fleet.api.submit_as(&job).await;
    fleet.worker.printed("its jobs are paused").await;
    let tasks = TasksFile::new(&invoice(&endpoint.url("/")));
    // With few slots: the other, which has many, would have all of the jobs first.
    let able = working(&fleet.database, &tasks, &["--concurrency", "2"], "info").await;
    let seen = "ringback.worker where circuits <> '[]' and beat_at > (select max(started_at) from ringback.worker)";
    eventually("the other should have looked around", async || {
        fleet.database.count(seen).await == 1
    })
    .await;
    let jobs: Vec<Value> = (1..=200)
        .map(|number| json!({"task_type": "invoice", "input": number}))
        .collect();
    let answer = fleet
        .api
        .post_json("/api/v1/jobs/batch", &json!({"jobs": jobs}))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // Whoever puts one off does so for ten seconds.
    let put_off = "ringback.job where state = 'scheduled' and input <> '0'";
    eventually("all but the first should be done", async || {
        assert_eq!(fleet.database.count(put_off).await, 0);
        fleet.database.count("ringback.job_history").await >= 200
    })
    .await;
    drop(able);
    fleet.worker.kill();
}

#[tokio::test]
async fn a_worker_that_was_told_to_stop_is_nobody_to_leave_jobs_to() {
    let endpoint = Endpoint::new(|_, _| Reply::json(&json!("done"))).await;
    let invoice = |url: &str| {
        format!("[tasks.invoice]\nurl = \"{url}\"\npause_after = 1\nretry_delay = \"10ms\"\n")
    };
    let mut fleet = Fleet::new(&invoice("http://127.0.0.1:9/")).await;
    // It can run the same, and has something to finish.
    let text = invoice(&endpoint.url("/")) + "[tasks.long]\ncommand = [\"sleep\", \"300\"]\n";
    let tasks = TasksFile::new(&text);
    let mut able = working(&fleet.database, &tasks, &[], "info").await;
    eventually("its tasks should be known", async || {
        let known = "ringback.task where name = 'long'";
        fleet.database.count(known).await == 1
    })
    .await;
    fleet
        .database
        .enqueue("'long', content => ''")
        .await
        .unwrap();
    let running = "ringback.job where task = 'long' and state = 'running'";
    eventually("it should have something to finish", async || {
        fleet.database.count(running).await == 1
    })
    .await;
    able.signal("TERM");
    eventually("it should say that it stops", async || {
        fleet.database.count("ringback.worker where stopping").await == 1
    })
    .await;
    for number in 0..2 {
        let job = json!({"task_type": "invoice", "input": number});
        fleet.api.submit_as(&job).await;
    }
    fleet.worker.printed("its jobs are paused").await;
    // Whoever has nobody to leave a job to puts it off.
    let put_off = "ringback.job where task = 'invoice' and state = 'scheduled'";
    eventually("both should be put off", async || {
        fleet.database.count(put_off).await == 2
    })
    .await;
    assert_eq!(
        fleet.database.count("ringback.worker where stopping").await,
        1
    );
    able.kill();
    fleet.worker.kill();
}
