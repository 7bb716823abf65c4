//! `ringback jobs wait`: waits for a job, and prints its result.

use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::super::shards;
use super::super::wait::{Shows, wait};
use crate::config::{DatabaseConfig, duration};
use crate::ids::JobId;

/// Settings of `jobs wait`.
#[derive(Args, Debug)]
pub(super) struct Wait {
    /// The job's id
    #[arg(value_name = "ID")]
    job: Uuid,

    /// How long to wait, at most (ms, s, m, h, d)
    #[arg(long, value_parser = duration, value_name = "TIME")]
    timeout: Option<Duration>,

    /// Prints its text piece by piece as it comes, instead of the result
    #[arg(long)]
    stream: bool,

    /// Prints the job as one line of JSON
    #[arg(long, conflicts_with = "stream")]
    json: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Wait {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let shows = Shows::asked(self.json, self.stream);
        let config = self.database.clone();
        let job = JobId(self.job);
        shards::of_job(&config, job, async |open| {
            wait(open, job, self.timeout, shows).await
        })
        .await
    }
}
