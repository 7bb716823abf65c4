//! Every operation through every door: what is asked over the socket, over HTTP, in SQL, on the command line and from
//! Rust is the same, and so are the answers.

mod keys;

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use keys::{Door, World};

use crate::support::{Event, TestDatabase};

/// What is stored of a job, whoever asked for it.
const STORED: &str =
    "to_jsonb(job) - array['id', 'created_at', 'run_at', 'rank', 'gateway_id', 'connection_id']";

/// The same of one that is over.
const RECORDED: &str =
    "to_jsonb(past) - array['id', 'created_at', 'run_at', 'finished_at', 'started_at', 'worker_id',
    'connection_id', 'retry_of', 'retried_as']";

async fn stored(database: &TestDatabase, what: &str, table: &str, id: &str) -> Value {
    let query = format!("select {what} from {table} where id = '{id}'");
    let row = sqlx::query(AssertSqlSafe(query))
        .fetch_one(&database.pool)
        .await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_job_is_the_same_whichever_way_it_was_asked_for() {
    let mut world = World::without_worker().await;
    for options in [
        json!({"content": "hello"}),
        json!({"input": {"any": ["json", 1.5, null]}, "priority": 3, "max_attempts": 2, "concurrency_key": "k"}),
        json!({"content": "later", "delay": 3600.0, "stream": true}),
        json!({"content": "at a time", "run_at": "2030-01-01T00:00:00Z"}),
    ] {
        let mut jobs = Vec::new();
        for door in Door::ALL {
            let id = world.submit(door, "anything", &options).await.unwrap();
            jobs.push(stored(&world.database, STORED, "ringback.job", &id).await);
        }
        for (job, door) in jobs.iter().zip(Door::ALL) {
            assert_eq!(*job, jobs[0], "{door:?} {options}");
        }
    }
}

#[tokio::test]
async fn a_key_that_was_used_at_one_door_is_known_at_all() {
    let mut world = World::without_worker().await;
    for first in Door::ALL {
        let key = format!("{first:?}");
        let asked = json!({"content": "a", "priority": 1, "idempotency_key": key});
        let job = world.submit(first, "translate", &asked).await.unwrap();
        for door in Door::ALL {
            let again = world.submit(door, "translate", &asked).await;
            assert_eq!(again.as_ref(), Ok(&job), "{first:?}, then {door:?}");
            let other = json!({"content": "b", "idempotency_key": key});
            let other = world.submit(door, "translate", &other).await;
            assert_eq!(
                other,
                Err("conflict".to_owned()),
                "{first:?}, then {door:?}"
            );
        }
    }
    assert_eq!(world.database.count("ringback.job").await, 5);
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_every_door() {
    let mut world = World::without_worker().await;
    let cases = [
        (
            json!({"content": "a", "priority": 40_000}),
            "less_than_equal",
        ),
        (
            json!({"content": "a", "max_attempts": 0}),
            "greater_than_equal",
        ),
        (json!({"content": "a", "delay": -1.0}), "greater_than_equal"),
        (
            json!({"content": "a", "concurrency_key": ""}),
            "string_type",
        ),
    ];
    for (options, code) in cases {
        for door in [Door::Socket, Door::Http, Door::Sql, Door::CommandLine] {
            let refused = world.submit(door, "translate", &options).await;
            // SQL and the command line have one code for all of these.
            let code = match door {
                Door::Sql | Door::CommandLine => "invalid",
                Door::Socket | Door::Http | Door::Library => code,
            };
            assert_eq!(refused, Err(code.to_owned()), "{door:?} {options}");
        }
    }
    world.forget_the_default_task().await;
    for door in Door::ALL {
        let refused = world.submit(door, "fly", &json!({"content": "a"})).await;
        let code = match door {
            Door::CommandLine => "invalid",
            Door::Socket | Door::Http | Door::Sql | Door::Library => "task_unknown",
        };
        assert_eq!(refused, Err(code.to_owned()), "{door:?}");
    }
    assert_eq!(world.database.count("ringback.job").await, 0);
}

#[tokio::test]
async fn many_jobs_are_all_stored_or_none() {
    let mut world = World::without_worker().await;
    for door in [Door::Socket, Door::Http, Door::Sql, Door::Library] {
        let before = world.database.count("ringback.job").await;
        let ids = world.submit_many(door, &["a", "b"]).await.unwrap();
        for (id, content) in ids.iter().zip(["a", "b"]) {
            let job = stored(&world.database, STORED, "ringback.job", id).await;
            assert_eq!(job["input"], content, "{door:?}");
        }
        // The second uses the key of the first for something else.
        assert_eq!(
            world.submit_many(door, &["k=c", "k=d"]).await,
            Err("conflict".to_owned()),
            "{door:?}"
        );
        assert_eq!(
            world.database.count("ringback.job").await,
            before + 2,
            "{door:?}"
        );
    }
}

#[tokio::test]
async fn a_job_looks_the_same_from_everywhere() {
    let mut world = World::with_worker().await;
    let job = world
        .submit(Door::Http, "translate", &json!({"content": "hello"}))
        .await
        .unwrap();
    world.api.finished(&job).await;
    world
        .submit(
            Door::Http,
            "analyze",
            &json!({"content": "later", "delay": 3600.0}),
        )
        .await
        .unwrap();
    let looks = [Door::Http, Door::CommandLine, Door::Library];
    let shown = world.show(looks[0], &job).await.unwrap();
    assert_eq!(shown["job"]["result"], "🌍 Translated: 'hello' → 'hola'");
    assert_eq!(shown["attempts"][0]["outcome"], "succeeded");
    for door in looks {
        assert_eq!(world.show(door, &job).await.unwrap(), shown, "{door:?}");
        let nobody = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
        assert_eq!(
            world.show(door, nobody).await,
            Err("not_found".to_owned()),
            "{door:?}"
        );
    }
    let listed = world.list(looks[0]).await;
    assert_eq!(listed.len(), 2);
    for door in looks {
        assert_eq!(world.list(door).await, listed, "{door:?}");
    }
    // The view has the same under its own names.
    let view = "to_jsonb(jobs)";
    let seen = stored(&world.database, view, "ringback.jobs", &job).await;
    for field in [
        "id",
        "task",
        "task_type",
        "state",
        "result",
        "error",
        "attempts",
        "owner",
        "retry_of",
        "retried_as",
    ] {
        assert_eq!(seen[field], shown["job"][field], "{field}");
    }
    assert_eq!(seen["content"], shown["job"]["input"]);
    let mut stats = Vec::new();
    for door in looks {
        stats.push(world.stats(door).await);
    }
    assert_eq!(stats[0]["live"]["scheduled"], 1);
    assert!(stats.iter().all(|one| *one == stats[0]), "{stats:?}");
}

#[tokio::test]
async fn a_result_is_the_same_wherever_it_is_waited_for() {
    let mut world = World::with_worker().await;
    for door in Door::ALL {
        let job = world
            .submit(door, "translate", &json!({"content": "hello"}))
            .await
            .unwrap();
        assert_eq!(
            world.result(door, &job).await,
            "🌍 Translated: 'hello' → 'hola'",
            "{door:?}"
        );
    }
}

#[tokio::test]
async fn a_text_is_the_same_wherever_it_is_heard() {
    let mut world = World::with_worker().await;
    let asked = json!({"content": "tea", "stream": true});
    let mut texts = Vec::new();
    let doors = [Door::Socket, Door::Http, Door::CommandLine, Door::Library];
    for door in doors {
        let job = world.submit(door, "generate", &asked).await.unwrap();
        texts.push(world.text(door, &job).await);
    }
    assert!(
        texts[0].contains("That's an interesting point about 'tea'"),
        "{texts:?}"
    );
    for (text, door) in texts.iter().zip(doors) {
        assert_eq!(*text, texts[0], "{door:?}");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_from_everywhere() {
    let mut world = World::without_worker().await;
    let mut ended = Vec::new();
    for door in Door::ALL {
        let later = json!({"content": "a", "delay": 3600.0});
        let job = world.submit(door, "translate", &later).await.unwrap();
        assert_eq!(world.cancel(door, &job).await, Ok(()), "{door:?}");
        ended.push(
            stored(
                &world.database,
                RECORDED,
                "ringback.job_history as past",
                &job,
            )
            .await,
        );
        assert_eq!(
            world.cancel(door, &job).await,
            Err("conflict".to_owned()),
            "{door:?}"
        );
        let nobody = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
        assert_eq!(
            world.cancel(door, nobody).await,
            Err("not_found".to_owned()),
            "{door:?}"
        );
    }
    assert_eq!(ended[0]["state"], "cancelled");
    assert!(ended.iter().all(|one| *one == ended[0]), "{ended:?}");
}

#[tokio::test]
async fn a_job_is_retried_from_everywhere() {
    let mut world = World::without_worker().await;
    let what = "to_jsonb(job) - array['id', 'created_at', 'run_at', 'rank', 'gateway_id', 'connection_id', 'retry_of']";
    let mut retried = Vec::new();
    for door in Door::ALL {
        let asked = json!({"content": "a", "priority": 2, "concurrency_key": "k"});
        let job = world.submit(door, "translate", &asked).await.unwrap();
        world.cancel(door, &job).await.unwrap();
        let new = world.retry(door, &job).await.unwrap();
        assert_ne!(new, job, "{door:?}");
        assert_eq!(
            world.retry(door, &job).await,
            Ok(new.clone()),
            "{door:?}: asked twice, it is one job"
        );
        retried.push(stored(&world.database, what, "ringback.job", &new).await);
        let chain = format!("ringback.jobs where id = '{job}' and retried_as = '{new}'");
        assert_eq!(world.database.count(&chain).await, 1, "{door:?}");
        let later = world
            .submit(door, "translate", &json!({"content": "a", "delay": 3600.0}))
            .await
            .unwrap();
        assert_eq!(
            world.retry(door, &later).await,
            Ok(later.clone()),
            "{door:?}: it is due now"
        );
        let due = format!("ringback.job where id = '{later}' and state = 'ready'");
        assert_eq!(world.database.count(&due).await, 1, "{door:?}");
        let nobody = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
        assert_eq!(
            world.retry(door, nobody).await,
            Err("not_found".to_owned()),
            "{door:?}"
        );
    }
    assert!(retried.iter().all(|one| *one == retried[0]), "{retried:?}");
    // What has succeeded stays so.
    let mut world = World::with_worker().await;
    for door in Door::ALL {
        let job = world
            .submit(door, "translate", &json!({"content": "a"}))
            .await
            .unwrap();
        world.result(door, &job).await;
        assert_eq!(
            world.retry(door, &job).await,
            Err("conflict".to_owned()),
            "{door:?}"
        );
    }
}

#[tokio::test]
async fn a_notice_and_a_pause_are_the_same_from_everywhere() {
    let mut world = World::without_worker().await;
    let doors = [Door::Http, Door::Sql, Door::CommandLine, Door::Library];
    let mut last = None;
    for door in doors {
        world.notify(door, "hello all").await;
        let notice = world.client.next().await;
        assert_eq!(
            (notice.action(), notice.text()),
            ("system_notification", "hello all"),
            "{door:?}"
        );
        let number: i64 = notice.0["id"].as_str().unwrap()["notice-".len()..]
            .parse()
            .unwrap();
        assert_eq!(
            last.replace(number).unwrap_or(number - 1) + 1,
            number,
            "{door:?}"
        );
        let kept = "ringback.notice where expires_at between now() + interval '59 minutes' and now() + interval '61 minutes'";
        assert!(world.database.count(kept).await > 0, "{door:?}");
    }
    for door in doors {
        for paused in [true, false] {
            world.pause(door, paused).await;
            for look in [Door::Http, Door::CommandLine, Door::Library] {
                assert_eq!(
                    world.is_paused(look).await,
                    paused,
                    "{door:?}, seen from {look:?}"
                );
            }
        }
    }
}

/// What a job has said, in one piece.
fn together(events: &[Event]) -> String {
    let chunks = events.iter().filter(|event| event.name == "job_chunk");
    chunks
        .map(|event| event.data["payload"].as_str().unwrap())
        .collect()
}

/// How long anything may take that is waited for here.
const LONG: Duration = Duration::from_secs(30);
