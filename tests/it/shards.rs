//! Owners that are spread among several databases.

mod away;
mod hanging;
mod spread;
mod starting;
mod worker;

use std::process::Command;

use ringback::auth::Algorithm;

use crate::support::{Issuer, Program, TestDatabase};

const SCOPES: &str = "jobs:submit jobs:read notices:send metrics:read";

/// An owner of the first shard of two, and one of the second.
const OWNERS: [&str; 2] = ["alice", "dave"];

/// Two databases, and whom a gateway of theirs believes.
struct Two {
    databases: [TestDatabase; 2],
    issuer: Issuer,
    urls: String,
}

impl Two {
    async fn new() -> Self {
        Self::of([TestDatabase::new().await, TestDatabase::new().await])
    }

    /// Each on a server of its own, which may be stopped.
    async fn on_their_own_servers() -> Self {
        Self::of([
            TestDatabase::on_its_own_server().await,
            TestDatabase::on_its_own_server().await,
        ])
    }

    fn of(databases: [TestDatabase; 2]) -> Self {
        let urls = format!("{} {}", databases[0].url, databases[1].url);
        Self {
            databases,
            issuer: Issuer::new(Algorithm::Hs256),
            urls,
        }
    }

    async fn gateway(&self, more: &[&str]) -> Program {
        let databases = ["--database-urls", &self.urls];
        let settings = self.issuer.settings();
        Program::serve_at("", &[&databases, &settings[..], more].concat()).await
    }

    async fn worker(&self, more: &[&str]) -> Program {
        let databases = ["--database-urls", &self.urls];
        Program::worker_at("", &[&databases, more].concat()).await
    }

    /// A verb that comes to an end: whether it succeeded, and what it has printed.
    async fn ran(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
        let command = command.args(arguments).env("DATABASE_URLS", &self.urls);
        let mut program = Program::spawn(command.env_remove("DATABASE_URL"));
        let status = program.ended().await;
        (status.success(), program.output())
    }

    fn token(&self, owner: &str) -> String {
        self.issuer.token(owner, SCOPES)
    }
}
