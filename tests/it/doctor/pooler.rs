//! A real `PgBouncer` in front.

use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;

use super::Report;
use crate::support::{PgBouncer, TestDatabase};

const IGNORING: &str = "ignore_startup_parameters = extra_float_digits, options";

#[tokio::test]
async fn a_pooler_that_shares_server_processes_is_found_and_looked_through() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    // One that refuses what it does not know, as it comes.
    let pooler = PgBouncer::start(&program, &database.url, "pool_mode = transaction").await;
    let report = Report::at(&pooler.url, &[]).await;
    let all = report.all("pooler");
    assert!(
        all.iter().any(|(status, found, _)| *status == "problem"
            && found.starts_with("a pooler refuses the connections of the program: ")),
        "{all:?}"
    );
    drop(pooler);

    let settings = format!("pool_mode = transaction\n{IGNORING}");
    let pooler = PgBouncer::start(&program, &database.url, &settings).await;
    // Others have prepared something of the same name on the server's side.
    let pool = PgPoolOptions::new().connect(&pooler.url).await.unwrap();
    pool.fetch_one("select 1").await.unwrap();
    for _ in 0..2 {
        let report = Report::at(&pooler.url, &[]).await;
        let all = report.all("pooler");
        let statuses: Vec<&str> = all.iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, ["warning", "problem"], "{all:?}");
        assert!(
            all[0].1.contains("leaves out what the program asks for"),
            "{all:?}"
        );
        assert!(all[1].1.contains("no hint is heard"), "{all:?}");
        // Everything else is seen all the same.
        for check in [
            "server",
            "schema",
            "privileges",
            "partitions",
            "queues",
            "due",
        ] {
            report.is_ok(check);
        }
    }
    let report = Report::at(&pooler.url, &["--poll-only"]).await;
    let all = report.all("pooler");
    assert!(
        all.iter().all(|(status, ..)| *status == "warning"),
        "{all:?}"
    );
    pool.close().await;
}

#[tokio::test]
async fn a_pooler_that_keeps_server_processes_lets_hints_through() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    let settings = format!("pool_mode = session\n{IGNORING}");
    let pooler = PgBouncer::start(&program, &database.url, &settings).await;
    let report = Report::at(&pooler.url, &[]).await;
    let (status, found, _) = report.one("pooler");
    assert_eq!(status, "warning");
    assert!(
        found.contains("leaves out what the program asks for"),
        "{found}"
    );
    // As the advice has it: the settings belong to the login, here of this database alone.
    let name = pooler.url.rsplit_once('/').unwrap().1;
    database
        .execute(&format!(
            "alter database {name} set plan_cache_mode = force_generic_plan"
        ))
        .await;
    drop(pooler);
    let pooler = PgBouncer::start(&program, &database.url, &settings).await;
    let report = Report::at(&pooler.url, &[]).await;
    report.is_ok("pooler");
    assert!(
        report.one("pooler").1.contains("a hint takes"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_pooler_that_is_told_of_is_looked_at_beside_the_direct_way() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    let settings = "pool_mode = transaction\nignore_startup_parameters = extra_float_digits";
    let pooler = PgBouncer::start(&program, &database.url, settings).await;
    let direct = ["--direct-database-url", &database.url];
    let told = |kind| [&direct[..], &["--pooler", kind]].concat();
    let report = Report::at(&pooler.url, &told("transaction")).await;
    let all = report.all("pooler");
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].1.contains("a hint takes"), "{all:?}");
    assert!(all[1].1.contains("as RINGBACK_POOLER says"), "{all:?}");
    assert!(all.iter().all(|(status, ..)| *status == "ok"), "{all:?}");
    // What is prepared has plans as the login's settings have it.
    let report = Report::at(&pooler.url, &told("prepared")).await;
    let all = report.all("pooler");
    assert_eq!(all[1].0, "warning", "{all:?}");
    assert!(all[1].2.contains("alter role"), "{all:?}");
    let url = pooler.url.clone();
    drop(pooler);
    let report = Report::at(&url, &told("transaction")).await;
    let all = report.all("pooler");
    assert_eq!((all[0].0, all[1].0), ("ok", "problem"), "{all:?}");
    assert!(all[1].1.contains("cannot be reached"), "{all:?}");
}
