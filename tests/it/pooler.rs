//! Through a pooler that gives a server process for each transaction: nothing is lost, and nothing is in anybody's way.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::metrics::figures;
use crate::support::{Api, Client, PgBouncer, Program, TestDatabase};

/// Few processes for many connections: what stays behind on one is met by others.
const OLD: &str = "pool_mode = transaction\ndefault_pool_size = 4\nignore_startup_parameters = extra_float_digits";

/// The same with prepared statements.
const NEW: &str = "pool_mode = transaction\ndefault_pool_size = 4\nmax_prepared_statements = 200\n\
                   ignore_startup_parameters = extra_float_digits";

const CLIENTS: usize = 5;
const EACH: usize = 40;

/// A gateway and two workers, behind a pooler.
struct Fleet {
    gateway: Program,
    workers: [Program; 2],
}

impl Fleet {
    async fn behind(pooler: &PgBouncer, arguments: &[&str]) -> Self {
        Self {
            gateway: Program::serve_at(&pooler.url, arguments).await,
            workers: [
                Program::worker_at(&pooler.url, arguments).await,
                Program::worker_at(&pooler.url, arguments).await,
            ],
        }
    }

    /// Jobs from several clients at once, whose results each come once.
    async fn works(&self) {
        let clients = (0..CLIENTS).map(|_| async {
            let mut client = Client::connect(&self.gateway).await;
            for number in 0..EACH {
                client.ask("default", &number.to_string()).await;
            }
            let mut results = BTreeMap::new();
            while results.len() < EACH {
                let message = client.next().await;
                if message.action() == "job_result" {
                    let before = results.insert(message.job_id(), ());
                    assert!(before.is_none(), "{message:?} came twice");
                } else {
                    assert_eq!(message.action(), "job_queued", "{message:?}");
                }
            }
            client.expect_silence().await;
        });
        join_all(clients).await;
    }

    /// That nothing went wrong that anybody was told of.
    fn is_calm(&self) {
        for program in self.workers.iter().chain([&self.gateway]) {
            let output = program.output();
            assert!(!output.contains("WARN"), "{output}");
        }
    }

    async fn figure(&self, name: &str) -> f64 {
        figures(&self.gateway.address()).await[name]
    }
}

async fn one_attempt_each(database: &TestDatabase) {
    let all = i64::try_from(CLIENTS * EACH).unwrap();
    assert_eq!(database.count("ringback.job_history").await, all);
    assert_eq!(
        database
            .count("ringback.job_history where attempt > 1")
            .await,
        0
    );
}

#[tokio::test]
async fn one_that_keeps_no_prepared_statements_serves_everything_but_hints() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    let pooler = PgBouncer::start(&program, &database.url, OLD).await;
    let direct = [
        "--pooler",
        "transaction",
        "--direct-database-url",
        &database.url,
    ];
    let fleet = Fleet::behind(&pooler, &direct).await;
    fleet.works().await;
    one_attempt_each(&database).await;
    // All were heard of, past the pooler.
    assert_eq!(fleet.figure("ringback_polled_outcomes_total").await, 0.0);
    assert_eq!(
        fleet
            .figure("ringback_connects_total{part=\"listener\"}")
            .await,
        1.0
    );
    fleet.is_calm();
    // What looks around works as well.
    let api = Api::of(&fleet.gateway);
    for path in [
        "/api/v1/jobs",
        "/api/v1/overview",
        "/api/v1/queues",
        "/readyz",
    ] {
        let answer = api.client.get(api.url(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
    }
    for verb in [
        &["jobs", "list"][..],
        &["jobs", "stats"],
        &["notify", "hello"],
    ] {
        let arguments = [verb, &["--pooler", "transaction"]].concat();
        let mut command = Program::start_at(&pooler.url, &arguments);
        assert!(command.ended().await.success(), "{}", command.output());
    }
    let mut prune = Program::start_at(
        &pooler.url,
        &[
            &["jobs", "prune", "--older-than", "1d", "--dry-run"][..],
            &direct,
        ]
        .concat(),
    );
    assert!(prune.ended().await.success(), "{}", prune.output());
}

#[tokio::test]
async fn without_hints_nothing_needs_another_way() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    let pooler = PgBouncer::start(&program, &database.url, OLD).await;
    let fleet = Fleet::behind(&pooler, &["--pooler", "transaction", "--poll-only"]).await;
    fleet.works().await;
    one_attempt_each(&database).await;
    // Only the history is not let go of, and that is said.
    for program in fleet.workers.iter().chain([&fleet.gateway]) {
        let output = program.output();
        let mut warnings = output.lines().filter(|line| line.contains("WARN"));
        assert!(
            warnings.all(|line| line.contains("name the server itself in DIRECT_DATABASE_URL")),
            "{output}"
        );
    }
}

#[tokio::test]
async fn a_pooler_that_dies_under_load_loses_nothing() {
    let Some(program) = PgBouncer::oldest() else {
        return;
    };
    let database = TestDatabase::new().await;
    let mut pooler = PgBouncer::start(&program, &database.url, OLD).await;
    let direct = [
        "--pooler",
        "transaction",
        "--direct-database-url",
        &database.url,
    ];
    let fleet = Fleet::behind(&pooler, &direct).await;
    let (dies, done) = (pooler.dies_and_comes_back(), fleet.works());
    tokio::join!(dies, done);
    assert_eq!(
        database.count("ringback.job_history").await,
        i64::try_from(CLIENTS * EACH).unwrap()
    );
}

#[tokio::test]
async fn one_that_keeps_prepared_statements_serves_them() {
    let Some(program) = PgBouncer::newer() else {
        return;
    };
    let database = TestDatabase::new().await;
    let pooler = PgBouncer::start(&program, &database.url, NEW).await;
    for kind in ["prepared", "transaction"] {
        let direct = ["--pooler", kind, "--direct-database-url", &database.url];
        let fleet = Fleet::behind(&pooler, &direct).await;
        fleet.works().await;
        fleet.is_calm();
    }
    assert_eq!(
        database
            .count("ringback.job_history where attempt > 1")
            .await,
        0
    );
}

#[tokio::test]
async fn what_no_pooler_can_serve_says_what_to_do() {
    let database = TestDatabase::new().await;
    for (verb, words) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], "--poll-only"),
        (&["worker"], "--poll-only"),
        (&["migrate"], "DIRECT_DATABASE_URL"),
        (
            &["jobs", "prune", "--older-than", "1d"],
            "DIRECT_DATABASE_URL",
        ),
        (
            &[
                "jobs",
                "export",
                "--from",
                "2026-01-01",
                "--to",
                "2026-01-01",
            ],
            "DIRECT_DATABASE_URL",
        ),
    ] {
        let arguments = [verb, &["--pooler", "prepared"]].concat();
        let mut refused = Program::start(&database, &arguments);
        assert!(!refused.ended().await.success(), "{verb:?}");
        assert!(refused.output().contains(words), "{}", refused.output());
    }
    let alone = ["jobs", "list", "--direct-database-url", &database.url];
    let mut refused = Program::start_at("", &alone);
    assert_eq!(refused.ended().await.code(), Some(2));
    assert!(
        refused.output().contains("set both"),
        "{}",
        refused.output()
    );
}

#[tokio::test]
async fn one_that_nobody_has_named_is_found_before_parts_are_let_go_of() {
    let Some(program) = PgBouncer::newer() else {
        return;
    };
    let database = TestDatabase::new().await;
    let settings = NEW.replace("extra_float_digits", "extra_float_digits, options");
    let pooler = PgBouncer::start(&program, &database.url, &settings).await;
    let arguments = ["jobs", "prune", "--older-than", "1d", "--yes"];
    let mut prune = Program::start_at(&pooler.url, &arguments);
    assert_eq!(prune.ended().await.code(), Some(2));
    assert!(
        prune.output().contains("DIRECT_DATABASE_URL"),
        "{}",
        prune.output()
    );
}
