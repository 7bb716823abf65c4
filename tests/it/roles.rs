//! Least privilege: the owner migrates, the program works as a second role, and people read the views as a third.

use std::time::Duration;

use ringback::auth::{Identity, Secret};
use ringback::config::Keep;
use ringback::postgres::Database;
use ringback::queue::{expire, operator_log, partitions};
use ringback::ticket;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool, Row};
use uuid::Uuid;

use crate::support::{Client, Program, TestDatabase, eventually, keep};

/// The three, each with a URL that logs in as it.
struct Roles {
    names: [String; 3],
    urls: [String; 3],
    database: TestDatabase,
}

impl Roles {
    /// On a database of its own, which the owner has migrated.
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let mark = Uuid::new_v4().simple().to_string();
        let names = ["owner", "program", "reader"].map(|role| format!("{role}_{mark}"));
        let (server, name) = database.url.rsplit_once('/').unwrap();
        let host = server.rsplit_once('@').unwrap().1;
        let own = format!("roles_{mark}");
        let urls = names
            .each_ref()
            .map(|role| format!("postgres://{role}:secret@{host}/{own}"));
        for role in &names {
            let create = format!("create role {role} login password 'secret'");
            database.execute(&create).await;
        }
        let [owner, program, _] = &names;
        database
            .execute(&format!("grant {program} to {owner}"))
            .await;
        let create = format!("create database {own} owner {owner}");
        database.execute(&create).await;
        assert_ne!(name, own);
        let roles = Self {
            names,
            urls,
            database,
        };
        let mut migrate = Program::start_at(&roles.urls[0], &["migrate"]);
        assert!(migrate.ended().await.success(), "{}", migrate.output());
        let owner = roles.pool(0);
        for (function, role) in [("grant_program", 1), ("grant_reader", 2)] {
            let grant = format!("select ringback.{function}('{}')", roles.names[role]);
            owner.execute(AssertSqlSafe(grant)).await.unwrap();
        }
        owner.close().await;
        roles
    }

    fn pool(&self, role: usize) -> PgPool {
        let options = PgPoolOptions::new().max_connections(2);
        options.connect_lazy(&self.urls[role]).unwrap()
    }

    async fn end(self) {
        let own = self.urls[0].rsplit_once('/').unwrap().1;
        let drop = format!("drop database {own} with (force)");
        self.database.execute(&drop).await;
        for role in &self.names {
            self.database.execute(&format!("drop role {role}")).await;
        }
    }
}

async fn refused(pool: &PgPool, statement: &str) {
    let error = pool
        .execute(AssertSqlSafe(statement.to_owned()))
        .await
        .expect_err(statement);
    let code = error.as_database_error().unwrap().code();
    assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
}

#[tokio::test]
async fn the_program_works_as_a_role_that_owns_no_schema() {
    let roles = Roles::new().await;
    let gateway = Program::serve_at(&roles.urls[1], &[]).await;
    let worker = Program::worker_at(&roles.urls[1], &[]).await;
    let mut client = Client::connect(&gateway).await;
    let secret = client.begin().await;
    client.submit("translate", "hello").await;
    assert_eq!(client.next().await.action(), "job_result");
    drop(client);
    let mut client = Client::connect(&gateway).await;
    client.recover(&secret).await;
    for verb in [
        &["notify", "to everyone"][..],
        &["jobs", "list"],
        &["jobs", "stats"],
        &["queues", "pause", "default"],
        &["queues", "resume", "default"],
        &[
            "recurring",
            "set",
            "nightly",
            "0 3 * * *",
            "translate",
            "hello",
        ],
        &["recurring", "remove", "nightly"],
        &["jobs", "prune", "--older-than", "1h", "--yes"],
    ] {
        let mut ran = Program::start_at(&roles.urls[1], verb);
        assert!(ran.ended().await.success(), "{verb:?}: {}", ran.output());
    }

    // What the sweeper does now and then, and what comes with the years.
    let database = Database::new(&roles.urls[1]).unwrap();
    let mut link = database.link("test");
    let connection = link.connected().await.unwrap();
    partitions::make_ahead(connection).await.unwrap();
    connection
        .execute("select ringback.make_partitions('2020-01-01')")
        .await
        .unwrap();
    let month = Duration::from_secs(30 * 86_400);
    let folder = tempfile::tempdir().unwrap();
    let exporting = Keep {
        export_history: Some(folder.path().to_owned()),
        ..keep(month)
    };
    assert_eq!(expire::expire(connection, &exporting).await.unwrap(), 3);
    connection
        .execute(
            "truncate ringback.expired_history, ringback.expired_attempt, ringback.expired_event",
        )
        .await
        .unwrap();
    operator_log::expire(&mut link, month).await.unwrap();
    let connection = link.connected().await.unwrap();
    let ticket = Secret::random();
    ticket::issue(&mut *connection, &ticket, &Identity::anyone(), month)
        .await
        .unwrap();
    assert!(
        ticket::redeem(&mut *connection, &ticket)
            .await
            .unwrap()
            .is_some()
    );

    // It cannot change what it stands on, nor what was written about it.
    let program = roles.pool(1);
    for statement in [
        "alter table ringback.job add column more text",
        "drop view ringback.jobs",
        "drop function ringback.hint(text, text)",
        "create or replace function ringback.hint(channel text, payload text) returns void language sql as 'select'",
        "delete from ringback.operator_log",
        "update ringback.operator_log set who = 'nobody'",
        "update ringback.migration set success = false",
        "select ringback.grant_program('postgres')",
    ] {
        refused(&program, statement).await;
    }
    let complaints = gateway.output() + &worker.output();
    assert!(!complaints.contains("permission denied"), "{complaints}");
    program.close().await;
    link.close().await;
    drop((gateway, worker));
    roles.end().await;
}

#[tokio::test]
async fn a_reader_reads_the_views_and_nothing_else() {
    let roles = Roles::new().await;
    let reader = roles.pool(2);
    let views = ["jobs", "attempts", "queue_health", "latency_by_task"];
    for view in views {
        let read = format!("select * from ringback.{view}");
        reader.execute(AssertSqlSafe(read)).await.unwrap();
    }
    let relations = sqlx::query(
        "select relname::text from pg_class
         where relnamespace = 'ringback'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')",
    );
    let relations = relations.fetch_all(&reader).await.unwrap();
    let others = relations
        .iter()
        .map(|row| row.get::<String, _>(0))
        .filter(|name| !views.contains(&name.as_str()));
    let mut looked_at = 0;
    for name in others {
        looked_at += 1;
        refused(&reader, &format!("select * from ringback.{name}")).await;
    }
    assert!(looked_at > 20, "{looked_at}");
    for statement in [
        "select ringback.enqueue('translate', '\"hello\"')",
        "select ringback.cancel('00000000-0000-7000-8000-000000000000')",
        "select ringback.notify('to everyone')",
        "select ringback.pause('default')",
        "select ringback.grant_reader('postgres')",
        "create table ringback.mine (id integer)",
    ] {
        refused(&reader, statement).await;
    }
    // The program does not start as it.
    let mut program = Program::start_at(&roles.urls[2], &["worker"]);
    eventually("it should say why", async || {
        program.output().contains("permission denied")
    })
    .await;
    assert!(!program.ended().await.success());
    reader.close().await;
    roles.end().await;
}
