//! The queue without sockets.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{size, tell, with_a_bar};
use crate::bench::Progress;
use crate::bench::queue::{Load, run};
use crate::cli::exit::Exit;
use crate::postgres::Database;
use crate::postgres::private::{self, Cluster, Durability};
use crate::shards::Shards;
use crate::shutdown::{self, Stop};

#[derive(Args, Debug)]
pub(super) struct Queue {
    /// How many jobs
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    jobs: u32,

    /// How many of them the worker runs at once
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    concurrency: u32,

    /// Among how many databases they are spread, each with a server of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16), value_name = "SHARDS")]
    shards: u32,
}

impl Queue {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let load = Load {
            jobs: size(self.jobs),
            concurrency: size(self.concurrency),
            shards: size(self.shards),
        };
        // Heard from the beginning, so that no server of it is left behind.
        let stop = shutdown::on_signal()?;
        let mut servers = Vec::new();
        let mut started = Ok(());
        for number in 1..=load.shards {
            match Server::start(number, &stop).await {
                Ok(server) => servers.push(server),
                Err(error) => {
                    started = Err(error);
                    break;
                }
            }
        }
        let databases = servers.iter().map(|server| server.database.clone());
        let databases = Shards::of_each(databases.collect());
        let measured = async {
            started?;
            let databases = databases.context("there is no database")?;
            for database in databases.iter() {
                database.migrate().await?;
            }
            let progress = Progress::default();
            let running = run(&databases, &load, &progress);
            let steps = 3 * u64::from(self.jobs);
            Box::pin(with_a_bar(steps, &progress, running)).await
        };
        let found = stop.run_until_cancelled(Box::pin(measured)).await;
        // However one ends, the others are to end as well.
        let mut ended = Ok(());
        for server in servers {
            ended = ended.and(server.end().await);
        }
        ended?;
        tell(
            "queue",
            &load,
            &found.unwrap_or_else(|| Err(Exit::Stopped.into()))?,
        )
    }
}

/// A server that is thrown away.
struct Server {
    folder: PathBuf,
    cluster: Cluster,
    database: Database,
}

impl Server {
    async fn start(number: usize, stop: &Stop) -> anyhow::Result<Self> {
        let name = format!("ringback-bench-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let (made, stop) = (folder.clone(), stop.clone());
        let cluster =
            tokio::task::spawn_blocking(move || private::ensure(&made, Durability::Full, &stop));
        let cluster = cluster.await.context("could not start a Postgres")??;
        Ok(Self {
            database: Database::new(cluster.url())?,
            folder,
            cluster,
        })
    }

    async fn end(self) -> anyhow::Result<()> {
        self.database.close().await;
        tokio::task::spawn_blocking(move || {
            let left = self.cluster.leave();
            // Where it cannot be removed it is the system's to clean up.
            let _ = private::discard(&self.folder);
            left
        })
        .await
        .context("could not stop the Postgres")?
    }
}
