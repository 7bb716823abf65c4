//! Three gateways and four workers behind a balancer.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::{Balancer, Program, TestDatabase};

pub(super) const GATEWAYS: usize = 3;
pub(super) const WORKERS: usize = 4;

/// Every process has the address of the database, and no other.
pub(super) struct Balanced {
    pub(super) database: TestDatabase,
    pub(super) balancer: Balancer,
    pub(super) gateways: Vec<Program>,
    pub(super) workers: Vec<Program>,
}

impl Balanced {
    /// All of it, ready, with jobs that take a moment.
    pub(super) async fn new() -> Self {
        Self::on(TestDatabase::for_many_processes().await).await
    }

    /// The same on a server that may be stopped.
    pub(super) async fn on(database: TestDatabase) -> Self {
        let mut fleet = Self {
            database,
            balancer: Balancer::new(GATEWAYS).await,
            gateways: Vec::new(),
            workers: Vec::new(),
        };
        for which in 0..GATEWAYS {
            fleet.gateways.push(fleet.gateway(which).await);
        }
        for _ in 0..WORKERS {
            fleet.workers.push(fleet.worker().await);
        }
        fleet.balancer.ready(GATEWAYS).await;
        fleet
    }

    pub(super) async fn gateway(&self, which: usize) -> Program {
        self.balancer.gateway(which, &self.database.url, &[]).await
    }

    /// None takes so many jobs at once that the others have none.
    async fn worker(&self) -> Program {
        let arguments = ["worker", "--delay-scale", "0.1", "--concurrency", "40"];
        let worker = Program::start(&self.database, &arguments);
        worker.printed("working").await;
        worker
    }

    /// What the database calls a process: a `gateway` or a `worker`.
    pub(super) async fn id_of(&self, process: &Program, kind: &str) -> Uuid {
        let query = format!("select id from ringback.{kind} where pid = $1");
        sqlx::query_scalar(AssertSqlSafe(query))
            .bind(i32::try_from(process.pid()).unwrap())
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }

    /// On which gateway each session is.
    pub(super) async fn homes(&self) -> HashMap<String, Option<Uuid>> {
        let query = "select id::text, gateway_id from ringback.session";
        let rows: Vec<(String, Option<Uuid>)> = sqlx::query_as(query)
            .fetch_all(&self.database.pool)
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    pub(super) async fn execute(&self, statement: &str) {
        self.database.execute(statement).await;
    }
}
