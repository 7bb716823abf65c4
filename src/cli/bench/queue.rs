//! The queue without sockets.

use anyhow::Context;
use clap::Args;

use super::{size, tell, with_a_bar};
use crate::bench::Progress;
use crate::bench::queue::{Load, run};
use crate::cli::exit::Exit;
use crate::postgres::Database;
use crate::postgres::private::{self, Durability};
use crate::shutdown;

#[derive(Args, Debug)]
pub(super) struct Queue {
    /// How many jobs
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    jobs: u32,

    /// How many of them the worker runs at once
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    concurrency: u32,
}

impl Queue {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let load = Load {
            jobs: size(self.jobs),
            concurrency: size(self.concurrency),
        };
        // Heard from the beginning, so that its server is not left behind.
        let stop = shutdown::on_signal()?;
        let folder = std::env::temp_dir().join(format!("ringback-bench-{}", std::process::id()));
        let (made, stopping) = (folder.clone(), stop.clone());
        let cluster = tokio::task::spawn_blocking(move || {
            private::ensure(&made, Durability::Full, &stopping)
        });
        let cluster = cluster.await.context("could not start a Postgres")??;
        let database = Database::new(cluster.url())?;
        let measured = async {
            database.migrate().await?;
            let progress = Progress::default();
            let running = run(&database, &load, &progress);
            let steps = 3 * u64::from(self.jobs);
            with_a_bar(steps, &progress, running).await
        };
        let found = stop.run_until_cancelled(Box::pin(measured)).await;
        database.close().await;
        tokio::task::spawn_blocking(move || {
            let left = cluster.leave();
            // Where it cannot be removed it is the system's to clean up.
            let _ = private::discard(&folder);
            left
        })
        .await
        .context("could not stop the Postgres")??;
        tell(
            "queue",
            &load,
            &found.unwrap_or_else(|| Err(Exit::Stopped.into()))?,
        )
    }
}
