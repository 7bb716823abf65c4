//! Where the database is, and what is on the way there.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where the database is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseConfig {
    /// The Postgres to use; without it, a private one in the data folder. Of several hosts, separated by commas, the one that
    /// takes what is written
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Several such databases, separated by spaces, among which everything is spread by its owner: shards. Each process
    /// names all of them, in the same order
    #[arg(
        long,
        env = "DATABASE_URLS",
        hide_env_values = true,
        value_name = "URL URL"
    )]
    pub database_urls: Option<String>,

    /// The one of several shards that a command works on, from 1; without it, all of them, or that of the owner or the job
    #[arg(long, value_name = "NUMBER")]
    pub shard: Option<NonZeroUsize>,

    /// The same Postgres past any pooler, for what a pooler cannot serve: hints, migrations, letting go of the history. Of
    /// several shards, one for each, separated by spaces
    #[arg(
        long,
        env = "DIRECT_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub direct_database_url: Option<String>,

    /// A replica of the same database, for whoever looks around: lists of jobs, and the console. Of several shards, one for
    /// each, separated by spaces
    #[arg(
        long,
        env = "REPLICA_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub replica_database_url: Option<String>,

    /// The pooler that `DATABASE_URL` leads through
    #[arg(
        long,
        env = "RINGBACK_POOLER",
        value_enum,
        default_value_t,
        value_name = "KIND"
    )]
    pub pooler: Pooler,

    /// The folder of the private Postgres
    #[arg(
        long,
        env = "RINGBACK_DATA_DIR",
        default_value = ".ringback",
        value_name = "FOLDER"
    )]
    pub data_dir: PathBuf,
}

/// What gives the connections of this program their server processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Pooler {
    /// No pooler, or one that leaves each connection its server process
    #[default]
    None,
    /// One that gives a process for each transaction, and keeps prepared statements (`PgBouncer` from 1.21)
    Prepared,
    /// One that gives a process for each transaction, and knows nothing of prepared statements (`PgBouncer` before 1.21)
    Transaction,
}

impl DatabaseConfig {
    /// The Postgres to use, where one is named.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        named(self.database_url.as_ref())
    }

    /// The same past any pooler, where it is named.
    #[must_use]
    pub fn direct_url(&self) -> Option<&str> {
        named(self.direct_database_url.as_ref())
    }

    /// A replica, where one is named.
    #[must_use]
    pub fn replica_url(&self) -> Option<&str> {
        named(self.replica_database_url.as_ref())
    }

    /// The shards, where several databases are named.
    #[must_use]
    pub fn urls(&self) -> Option<&str> {
        named(self.database_urls.as_ref())
    }

    /// Whether everything reaches the server itself, or has another way there.
    #[must_use]
    pub fn has_direct_way(&self) -> bool {
        self.pooler == Pooler::None || self.direct_url().is_some()
    }
}

/// What is empty is not there: in an environment, that is how something is left out.
fn named(url: Option<&String>) -> Option<&str> {
    url.map(String::as_str).filter(|url| !url.is_empty())
}
