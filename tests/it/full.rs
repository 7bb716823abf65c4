//! A server that has no room: on its disk, for its log, or for one more connection.

use std::time::Duration;

use serde_json::json;
use sqlx::error::DatabaseError;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::faults::{Story, running, untroubled};
use crate::support::{
    Api, Client, DataDir, Disk, Program, TestDatabase, eventually, eventually_within,
};

/// Longer than a command or a start waits for a server that is full.
const LONG: Duration = Duration::from_secs(90);

/// Room for a server that has nothing to do yet, and for what it writes until it is filled.
const MEGABYTES: u32 = 256;

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    let Some(database) = TestDatabase::on_its_own_disk(MEGABYTES).await else {
        return;
    };
    let worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut story = Story::default();
    // The log has room for all of this test: it is the tables that have none.
    database.execute("select pg_switch_wal()").await;
    database.execute("alter system set autovacuum = off").await;
    database.execute("select pg_reload_conf()").await;
    for _ in 0..3 {
        story.ask(&mut client, "hold", "5").await;
    }
    story.answers(&mut client).await;
    running(&database, 3).await;
    database.disk().fill();

    story.ask(&mut client, "count", &long_text()).await;
    let api = Api::of(&gateway);
    let body = json!({"task_type": "count", "content": long_text()});
    let mut submit = Program::start(&database, &["submit", "count", &long_text()]);
    let answers = async {
        tokio::join!(
            api.post_json("/api/v1/jobs", &body),
            story.answers(&mut client)
        )
    };
    let (over_http, ()) = database.disk().full(answers).await;
    assert_eq!(over_http.status, 503, "{over_http:?}");
    assert_eq!(over_http.retry_after.as_deref(), Some("5"));
    assert!(
        over_http.body["detail"].as_str().unwrap().contains("room"),
        "{over_http:?}"
    );
    // Nothing of it can be there.
    assert_eq!(over_http.body["errors"][0].get("maybe"), None);
    assert_eq!(story.refused, [false]);
    assert_eq!(submit.ended().await.code(), Some(1));
    assert!(submit.output().contains("disk"), "{}", submit.output());

    // What has run meanwhile waits, in the hands of a worker that is heard.
    assert_eq!(database.count("ringback.job_history").await, 0);
    running(&database, 3).await;
    let heard = "ringback.worker where beat_at > clock_timestamp() - interval '12 s'";
    assert_eq!(database.count(heard).await, 1);
    for process in [&worker, &gateway] {
        let output = process.output();
        let told = output.lines().filter(|line| line.contains("trying again"));
        assert!((1..=12).contains(&told.count()), "{output}");
        assert!(output.contains("make room there"), "{output}");
    }

    database.disk().make_room();
    story.results(&mut client).await;
    story.ask(&mut client, "count", &long_text()).await;
    story.answers(&mut client).await;
    story.results(&mut client).await;
    client.expect_silence().await;
    assert_eq!(story.finished.len(), 4);
    assert_eq!(untroubled(&database).await, 4);
}

#[tokio::test]
async fn a_server_that_died_of_a_full_log_is_started_again_when_there_is_room() {
    let folder = DataDir::new();
    let Some(disk) = Disk::at(folder.path(), MEGABYTES) else {
        return;
    };
    // The folder is left before its disk.
    let (folder, disk) = &(folder, disk);
    let worker = Program::spawn(folder.command("worker").args(["--delay-scale", "2"]));
    worker.printed("working").await;
    let gateway = Program::spawn(folder.command("serve").args(["--listen", "127.0.0.1:0"]));
    gateway.printed("serving").await;
    let mut connection = PgConnection::connect(&folder.url()).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    let mut story = Story::default();
    for _ in 0..5 {
        story.ask(&mut client, "default", "before").await;
    }
    story.answers(&mut client).await;

    disk.fill();
    eventually("the server should die", async || {
        let next_file = "select pg_logical_emit_message(false, 'a', 'b'); select pg_switch_wal()";
        connection.execute(next_file).await.is_err()
    })
    .await;
    eventually("it should be told why it does not start", async || {
        let told = [&worker, &gateway].map(Program::output).concat();
        told.contains("the private Postgres is away") && told.contains("No space left on device")
    })
    .await;
    for _ in 0..3 {
        story.ask(&mut client, "default", "meanwhile").await;
    }
    story.answers(&mut client).await;
    assert!(!story.refused.is_empty());
    for process in [&worker, &gateway] {
        let output = process.output();
        let told = output.matches("the private Postgres is away").count();
        assert!(told <= 12, "{told} times: {output}");
    }

    disk.make_room();
    for _ in 0..3 {
        story.ask(&mut client, "default", "after").await;
    }
    story.answers(&mut client).await;
    story.results(&mut client).await;
    client.expect_silence().await;
    let mut connection = PgConnection::connect(&folder.url()).await.unwrap();
    let troubled: i64 = sqlx::query_scalar(
        "select count(*) from ringback.job_history where state <> 'succeeded' or crashes > 0",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(troubled, 0);
}

#[tokio::test]
async fn a_server_without_a_connection_to_spare_is_waited_for() {
    let mut database = TestDatabase::on_its_own_server().await;
    for statement in [
        "alter system set max_connections = 40",
        "create role fleet login password 'secret'",
        "create role others login password 'secret'",
        "select ringback.grant_program('fleet')",
    ] {
        database.execute(statement).await;
    }
    database.restart_server().await;
    let host = database.url.rsplit_once('@').unwrap().1.to_owned();
    let url = |user: &str| format!("postgres://{user}:secret@{host}");
    database.url = url("fleet");
    let others = url("others");
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    let mut story = Story::default();

    // Who has its connections works on.
    let mut taken = Vec::new();
    take_all(&others, &mut taken).await;
    story.ask(&mut client, "count", "").await;
    story.answers(&mut client).await;
    story.results(&mut client).await;

    for _ in 0..3 {
        story.ask(&mut client, "hold", "5").await;
    }
    story.answers(&mut client).await;
    running(&database, 3).await;
    let all = "pg_stat_activity where backend_type = 'client backend'";
    let of_the_fleet = "pg_stat_activity where usename = 'fleet'";
    eventually("others should have every connection", async || {
        let cut = format!("select pg_terminate_backend(pid) from {of_the_fleet}");
        database.execute(&cut).await;
        take_all(&others, &mut taken).await;
        // What has been cut may still be leaving.
        database.count(of_the_fleet).await == 0 && database.count(all).await >= 37
    })
    .await;

    let commands: [&[&str]; 4] = [
        &["submit", "count", "a"],
        &["jobs", "list"],
        &["doctor"],
        // It is never let in.
        &["serve", "--listen", "127.0.0.1:0"],
    ];
    let mut commands = commands.map(|arguments| Program::start(&database, arguments));
    story.ask(&mut client, "count", "").await;
    let api = Api::of(&gateway);
    let body = json!({"task_type": "count", "content": ""});
    let (over_http, ()) = tokio::join!(
        api.post_json("/api/v1/jobs", &body),
        story.answers(&mut client)
    );
    assert_eq!(over_http.status, 503, "{over_http:?}");
    assert_eq!(over_http.retry_after.as_deref(), Some("5"));
    assert_eq!(story.refused.len(), 1);
    for command in &mut commands {
        assert_eq!(command.ended_within(LONG).await.code(), Some(1));
        let output = command.output();
        assert!(output.contains("raise max_connections"), "{output}");
    }
    let [.., serve] = &commands;
    assert!(serve.output().contains("trying again"));
    let output = gateway.output();
    assert!(output.contains("slots are reserved"), "{output}");
    assert!(output.contains("raise max_connections"), "{output}");

    let late = Program::start(&database, &["serve", "--listen", "127.0.0.1:0"]);
    eventually_within(LONG, "it should wait", async || {
        late.output().contains("trying again")
    })
    .await;
    drop(taken);
    late.printed("serving").await;
    story.ask(&mut client, "count", "").await;
    story.answers(&mut client).await;
    story.results(&mut client).await;
    client.expect_silence().await;
    assert_eq!(story.finished.len(), 5);
    eventually("no job should be left", async || {
        database.count("ringback.job").await == 0
    })
    .await;
    let uncertain = story.refused.iter().filter(|maybe| **maybe).count();
    let finished = usize::try_from(untroubled(&database).await).unwrap();
    assert!((5..=5 + uncertain).contains(&finished), "{finished}");
}

/// Takes every connection that there is.
async fn take_all(url: &str, taken: &mut Vec<PgConnection>) {
    loop {
        match PgConnection::connect(url).await {
            Ok(connection) => taken.push(connection),
            Err(error) => {
                let code = error.as_database_error().and_then(DatabaseError::code);
                assert_eq!(code.as_deref(), Some("53300"), "{error}");
                return;
            }
        }
    }
}

/// A text that no compression makes short.
fn long_text() -> String {
    let words = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string());
    words.take(1_200).collect()
}
