//! What an operator looks at: how the whole system is, from now on and over time.

use serde_json::{Value, json};

use crate::support::{Api, Client, Program, TestDatabase, eventually};

async fn overview(api: &Api) -> Value {
    let answer = api.get("/api/v1/overview").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// How many connections read for those who look on.
async fn readers(database: &TestDatabase) -> i64 {
    let there = "pg_stat_activity where datname = current_database() and application_name = 'ringback feed'";
    database.count(there).await
}

#[tokio::test]
async fn it_says_what_the_queues_the_workers_and_the_gateways_do() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let mut client = Client::connect(&gateway).await;
    client.send(json!({"action": "resume"})).await;
    client.next().await;
    let held = client.submit("hold", "60").await;
    let later = json!({"task_type": "hold", "content": "1", "delay": 3600});
    api.submit_as(&later).await;
    eventually("the job should run", async || {
        api.job(&held).await["state"] == "running"
    })
    .await;
    let seen = overview(&api).await;
    assert_eq!(
        (&seen["live"]["running"], &seen["live"]["scheduled"]),
        (&json!(1), &json!(1))
    );
    let queue = json!({"name": "default", "paused": false, "ready": 0, "scheduled": 1, "held": 0, "running": 1});
    assert_eq!(seen["queues"], json!([queue]));
    let tasks = seen["tasks"].as_array().unwrap();
    assert!(tasks.contains(&json!("hold")), "{seen}");
    let worker = &seen["workers"][0];
    assert_eq!(worker["running"], 1);
    assert_eq!(worker["jobs"][0]["id"], held.as_str());
    assert_eq!(worker["jobs"][0]["task"], "hold");
    assert_eq!(seen["workers"].as_array().unwrap().len(), 1, "{seen}");
    let own = &seen["gateways"][0];
    assert_eq!(own["listen"], gateway.address().as_str());
    assert_eq!(own["sessions"], 1);
    // It says so when it says that it lives.
    eventually(
        "the gateway should say how many sockets it has",
        async || overview(&api).await["gateways"][0]["sockets"] == 1,
    )
    .await;
}

#[tokio::test]
async fn it_is_read_once_for_everybody_who_looks_on_and_only_while_somebody_does() {
    let database = TestDatabase::new().await;
    let mut gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    assert_eq!(readers(&database).await, 0);
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(api.follow("/api/v1/overview/events").await);
    }
    for stream in &mut streams {
        let event = stream.next().await.unwrap();
        assert_eq!(event.name, "overview");
        assert_eq!(event.data["live"]["ready"], 0);
    }
    assert_eq!(readers(&database).await, 1);
    api.submit("translate", "hello").await;
    for stream in &mut streams {
        while stream.next().await.unwrap().data["live"]["ready"] != 1 {}
    }
    // They end with the gateway, and do not hold it up.
    gateway.signal("TERM");
    for stream in streams {
        stream.all().await;
    }
    assert!(gateway.ended().await.success(), "{}", gateway.output());
}

#[tokio::test]
async fn it_goes_on_when_the_database_was_away() {
    let mut database = TestDatabase::on_its_own_server().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let mut stream = api.follow("/api/v1/overview/events").await;
    let before = stream.next().await.unwrap();
    database.end_server("INT").await;
    gateway.printed("could not read how things are").await;
    database.start_server().await;
    let after = loop {
        let event = stream.next().await.unwrap();
        if event.data["gateways"] != before.data["gateways"] {
            break event;
        }
    };
    assert_eq!(after.name, "overview");
}

#[tokio::test]
async fn what_has_ended_is_in_one_sample_however_many_processes_take_them() {
    let database = TestDatabase::new().await;
    let _workers = (
        Program::worker(&database, &[]).await,
        Program::unruly(&database).await,
    );
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    for number in 0..30 {
        api.submit("translate", &number.to_string()).await;
    }
    for _ in 0..3 {
        api.submit("fail", "now").await;
    }
    let later = json!({"task_type": "translate", "content": "1", "delay": 3600});
    let cancelled = api.submit_as(&later).await;
    let path = format!("/api/v1/jobs/{cancelled}/cancel");
    assert_eq!(api.post(&path).await.status, 200);
    let total = async || {
        let answer = api.get("/api/v1/overview/samples?span=600").await.body;
        let samples = answer["samples"].as_array().unwrap().clone();
        let sum = |what: &str| -> i64 {
            samples
                .iter()
                .map(|sample| sample[what].as_i64().unwrap())
                .sum()
        };
        let timed = samples.iter().any(|sample| {
            let [p50, p99] = ["ran_p50", "ran_p99"].map(|of| sample[of].as_f64());
            p50.zip(p99)
                .is_some_and(|(p50, p99)| p50 > 0.0 && p99 >= p50)
        });
        ([sum("succeeded"), sum("failed"), sum("cancelled")], timed)
    };
    eventually("everything should be counted", async || {
        total().await == ([30, 3, 1], true)
    })
    .await;
    let newest = overview(&api).await["sample"].clone();
    assert_eq!(newest["seconds"], 10.0);
    api.get("/api/v1/overview/samples?span=5")
        .await
        .is_error(422, "greater_than_equal");
}

#[tokio::test]
async fn a_long_time_is_told_in_long_steps_and_nothing_in_it_is_left_out() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    database
        .execute(
            "insert into ringback.sample
             select at, 10, 0, 0, extract(epoch from at)::bigint % 7, 0, 0, 5, 1, 0, 0.1, 0.2, 0.3, null, null, null
             from generate_series(now() - interval '23 hours', now() - interval '1 minute', interval '10 seconds') as at",
        )
        .await;
    let there = database
        .count("ringback.sample where ran_p50 is null and succeeded = 5")
        .await;
    let hour = api.get("/api/v1/overview/samples").await.body;
    assert_eq!(hour["step"], 10);
    let day = api.get("/api/v1/overview/samples?span=86400").await.body;
    assert_eq!(day["step"], 240);
    let samples = day["samples"].as_array().unwrap();
    assert!((340..=361).contains(&samples.len()), "{}", samples.len());
    let succeeded: i64 = samples
        .iter()
        .map(|sample| sample["succeeded"].as_i64().unwrap())
        .sum();
    assert_eq!(succeeded, 5 * there);
    let ends: Vec<&str> = samples
        .iter()
        .map(|sample| sample["at"].as_str().unwrap())
        .collect();
    assert!(ends.is_sorted());
    assert_eq!(samples[100]["waited_p95"], 0.2);
    assert_eq!(samples[100]["ran_p95"], Value::Null);
}

#[tokio::test]
async fn a_sample_reads_what_has_just_ended_and_not_the_history() {
    let database = TestDatabase::new().await;
    database.fill_history().await;
    let ours = database.database();
    let mut transaction = ours.pool().begin().await.unwrap();
    ringback::queue::samples::take(&mut *transaction)
        .await
        .unwrap();
    let read: i64 = sqlx::query_scalar(
        "select coalesce(sum(seq_tup_read) + sum(idx_tup_fetch), 0)::bigint from pg_stat_xact_user_tables
         where relname like 'job_history%'",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    let ended: i64 = sqlx::query_scalar("select sum(succeeded)::bigint from ringback.sample")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    // One job ended each second.
    assert!(
        (ended..=20).contains(&read),
        "{read} rows were read for {ended} jobs"
    );
}
