//! What is of an owner is in their shard; whoever looks after all finds it.

use serde_json::json;
use tempfile::TempDir;

use super::{OWNERS, Two};
use crate::support::{Api, Client, Program, eventually};

#[tokio::test]
async fn all_that_is_of_an_owner_is_in_their_shard() {
    let two = Two::new().await;
    let gateway = two.gateway(&[]).await;
    let _worker = two.worker(&[]).await;
    for (database, owner) in two.databases.iter().zip(OWNERS) {
        let token = two.token(owner);
        let api = Api::with_token(&gateway, &token);
        let bought = api.post("/api/v1/tickets").await;
        let ticket = bought.body["ticket"].as_str().unwrap().to_owned();
        let mut client = Client::with_ticket(&gateway, &ticket).await.ok().unwrap();
        client
            .send(json!({"action": "resume", "payload": null}))
            .await;
        assert_eq!(client.next().await.action(), "resumed");
        let job = client.submit("default", "x").await;
        let result = client.next().await;
        assert_eq!((result.action(), result.job_id()), ("job_result", job));
        // The same key is the same job, and another owner's is another.
        let keyed = json!({"task_type": "default", "content": "y"});
        let first = api.submit_with_key("key", &keyed).await.job();
        assert_eq!(api.submit_with_key("key", &keyed).await.job(), first);
        assert_eq!(api.finished(&first).await["state"], "succeeded");
        assert_eq!(
            api.get("/api/v1/jobs").await.body["jobs"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        for (table, count) in [
            ("ringback.job_history", 2),
            ("ringback.session", 1),
            ("ringback.idempotency", 1),
        ] {
            let all = database.count(table).await;
            let theirs = database
                .count(&format!("{table} where owner = '{owner}'"))
                .await;
            assert_eq!((all, theirs), (count, count), "{table} of {owner}");
        }
        let (_, url) = two.ran(&["url", "--owner", owner]).await;
        assert_eq!(url.trim(), database.url);
    }
}

#[tokio::test]
async fn an_operator_finds_every_job_and_names_the_shard_that_is_looked_at() {
    let two = Two::new().await;
    let gateway = two.gateway(&[]).await;
    let mut jobs = Vec::new();
    for owner in OWNERS {
        let api = Api::with_token(&gateway, &two.token(owner));
        jobs.push(api.submit("default", owner).await);
    }
    // Of the first shard, as it happens.
    let operator = Api::with_token(&gateway, &two.issuer.token("alice", "admin"));
    assert_eq!(operator.get("/api/v1/me").await.body["shards"], 2);
    for (job, owner) in jobs.iter().zip(OWNERS) {
        assert_eq!(operator.job(job).await["owner"], owner);
        let attempts = operator.get(&format!("/api/v1/jobs/{job}/attempts")).await;
        assert_eq!(attempts.status, 200);
    }
    let listed = async |query: &str| {
        let answer = operator.get(&format!("/api/v1/jobs{query}")).await;
        let jobs = answer.body["jobs"].as_array().unwrap().clone();
        jobs.iter()
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, jobs[..1]);
    assert_eq!(listed("?shard=1").await, jobs[..1]);
    assert_eq!(listed("?shard=2").await, jobs[1..]);
    for wrong in ["0", "3", "x"] {
        let answer = operator.get(&format!("/api/v1/jobs?shard={wrong}")).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.body.to_string().contains("shard"), "{answer:?}");
    }
    let missing = operator
        .get("/api/v1/jobs/00000000-0000-7000-8000-000000000000")
        .await;
    missing.is_error(404, "not_found");
    // Others have no other shard, whatever they ask for.
    let dave = Api::with_token(&gateway, &two.token("dave"));
    assert_eq!(
        dave.get(&format!("/api/v1/jobs/{}", jobs[0])).await.status,
        404
    );
    let theirs = dave.get("/api/v1/jobs?shard=1").await;
    assert_eq!(theirs.body["jobs"][0]["owner"], "dave");

    let metrics = operator.get("/metrics").await;
    let metrics = metrics.text();
    assert!(
        metrics.contains("ringback_jobs_ready{queue=\"default\"} 2.0"),
        "{metrics}"
    );

    let cancelled = operator
        .post(&format!("/api/v1/jobs/{}/cancel", jobs[1]))
        .await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let (_, shown) = two.ran(&["jobs", "show", &jobs[1]]).await;
    assert!(shown.contains("cancelled"), "{shown}");
    let (done, told) = two.ran(&["jobs", "cancel", &jobs[0], &jobs[1]]).await;
    assert!(
        !done && told.contains(&format!("{} cancelled", jobs[0])),
        "{told}"
    );
    assert!(told.contains(&format!("{} is over", jobs[1])), "{told}");
    let (done, listed) = two.ran(&["jobs", "list"]).await;
    assert!(
        done && jobs.iter().all(|job| listed.contains(job)),
        "{listed}"
    );
    let (done, listed) = two.ran(&["jobs", "list", "--shard", "2"]).await;
    assert!(
        done && !listed.contains(&jobs[0]) && listed.contains(&jobs[1]),
        "{listed}"
    );
    let (done, told) = two
        .ran(&["jobs", "prune", "--older-than", "1h", "--yes"])
        .await;
    assert!(!done && told.contains("say which by --shard"), "{told}");
}

#[tokio::test]
async fn a_notice_reaches_the_sockets_of_all_shards_and_a_pause_holds_in_all() {
    let two = Two::new().await;
    let gateway = two.gateway(&[]).await;
    let _worker = two.worker(&[]).await;
    let mut clients = Vec::new();
    for owner in OWNERS {
        clients.push(Client::with_token(&gateway, &two.token(owner)).await);
    }
    let operator = Api::with_token(&gateway, &two.issuer.token("alice", "admin"));
    let sent = operator
        .post_json("/api/v1/notices", &json!({"content": "by HTTP"}))
        .await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let (done, told) = two.ran(&["notify", "by a command"]).await;
    assert!(done, "{told}");
    for client in &mut clients {
        assert_eq!(client.next().await.text(), "by HTTP");
        assert_eq!(client.next().await.text(), "by a command");
    }

    eventually("the workers should have made the queue known", async || {
        operator.post("/api/v1/queues/default/pause").await.status == 200
    })
    .await;
    for client in &mut clients {
        client.submit("default", "x").await;
    }
    for client in &mut clients {
        client.expect_silence().await;
    }
    let (done, told) = two.ran(&["queues", "resume", "default"]).await;
    assert!(done, "{told}");
    for client in &mut clients {
        assert_eq!(client.next().await.action(), "job_result");
    }
}

#[tokio::test]
async fn no_two_processes_disagree_about_where_an_owner_is() {
    let two = Two::new().await;
    let (done, told) = two.ran(&["migrate"]).await;
    assert!(done, "{told}");
    let [first, second] = &two.databases;
    let turned = format!("{} {}", second.url, first.url);
    for verb in ["serve", "worker", "migrate", "notify"] {
        let mut arguments = vec![verb, "--database-urls", &turned];
        match verb {
            "serve" => arguments.extend(["--listen", "127.0.0.1:0"]),
            "notify" => arguments.push("text"),
            _ => {}
        }
        let mut refused = Program::start_at("", &arguments);
        assert_eq!(refused.ended().await.code(), Some(2), "{verb}");
        let told = refused.output();
        assert!(
            told.contains("in the same order everywhere"),
            "{verb}: {told}"
        );
    }
    // Nor does one that knows of one of them alone.
    let mut refused = Program::start(second, &["worker"]);
    assert_eq!(refused.ended().await.code(), Some(2));
    assert!(
        refused.output().contains("is shard 2 of 2"),
        "{}",
        refused.output()
    );
    let both = ["jobs", "list", "--database-urls", &two.urls];
    let mut refused = Program::start(first, &both);
    assert_eq!(refused.ended().await.code(), Some(2));
    assert!(
        refused.output().contains("set one of them"),
        "{}",
        refused.output()
    );
    let direct = [&both[..], &["--direct-database-url", &first.url]].concat();
    let mut refused = Program::start_at("", &direct);
    assert_eq!(refused.ended().await.code(), Some(2));
    assert!(
        refused.output().contains("name one for each"),
        "{}",
        refused.output()
    );
    let mut doctor = Program::start_at("", &["doctor", "--database-urls", &turned]);
    assert!(!doctor.ended().await.success());
    let told = doctor.output();
    assert!(
        told.contains("it is 2 of 2, and is named here as 1 of 2"),
        "{told}"
    );
    let mut nowhere = Program::start_at("", &["jobs", "list", "--database-urls", " "]);
    assert_eq!(nowhere.ended().await.code(), Some(2));
    let told = nowhere.output();
    assert!(told.contains("names no database"), "{told}");
    let (done, told) = two.ran(&["jobs", "list", "--shard", "3"]).await;
    assert!(!done && told.contains("there are 2"), "{told}");
    // What has an owner is in no other shard, whoever says so.
    let tick = ["recurring", "set", "tick", "* * * * *", "default", "x"];
    let elsewhere = [&["recurring", "--shard", "2"], &tick[1..]].concat();
    for verb in [&["submit", "default", "x", "--shard", "2"][..], &elsewhere] {
        let (done, told) = two.ran(verb).await;
        assert!(!done && told.contains("is in shard 1 of 2"), "{told}");
    }
    let spread = async || {
        let count = "ringback.recurring where name = 'tick'";
        (first.count(count).await, second.count(count).await)
    };
    let (done, told) = two.ran(&tick).await;
    assert!(done, "{told}");
    assert_eq!(spread().await, (1, 0));
    // As it is when the number of shards has changed: it fires from where it was until it is set again.
    first.execute("delete from ringback.recurring").await;
    let left = "insert into ringback.recurring (name, task, input, cron, time_zone, missed, next_at)
                values ('tick', 'default', 'null', '0 0 1 1 *', 'UTC', 'skip', now() + interval '1 day')";
    second.execute(left).await;
    let (_, listed) = two.ran(&["recurring", "list"]).await;
    assert!(listed.contains("tick"), "{listed}");
    let (done, told) = two.ran(&tick).await;
    assert!(done, "{told}");
    assert_eq!(spread().await, (1, 0));
    let (done, told) = two.ran(&["recurring", "remove", "tick"]).await;
    assert!(done, "{told}");
    assert_eq!(spread().await, (0, 0));
}

#[tokio::test]
async fn the_history_of_each_shard_is_exported_to_a_folder_of_its_own() {
    let two = Two::new().await;
    for database in &two.databases {
        database.past(40, 30).await;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let _worker = two.worker(&["--export-history", path]).await;
    for shard in ["shard-1", "shard-2"] {
        eventually(&format!("{shard} should have its history"), async || {
            let files = std::fs::read_dir(folder.path().join(shard));
            let mut files = files.into_iter().flatten().flatten();
            files.any(|file| {
                let name = file.file_name();
                name.to_string_lossy().starts_with("job_history")
            })
        })
        .await;
    }
}
