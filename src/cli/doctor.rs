//! `ringback doctor`: looks for what is wrong, and says what to do.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::database::{Open, Private};
use super::exit::Exit;
use super::fleet;
use super::output::{lines, on_one_line, say, say_json};
use super::shards;
use crate::config::{DatabaseConfig, Pooler, some_duration};
use crate::postgres::Reader;
use crate::queue::doctor::{Asked, Finding, Pooled, Status, examine};

/// Settings of `doctor`.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    #[command(flatten)]
    database: DatabaseConfig,

    /// The fleet asks the tables instead of listening for hints
    #[arg(long, env = "RINGBACK_POLL_ONLY")]
    poll_only: bool,

    /// The fleet sends its hints by these NATS servers
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_name = "URL,…")]
    nats_url: Option<String>,

    /// From when on an open transaction is told of; ten times as long is a problem
    #[arg(long, default_value = "1m", value_parser = some_duration, value_name = "TIME")]
    long_transaction: Duration,

    /// End with 7 also for warnings, and for what this login may not see
    #[arg(long)]
    strict: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    status: Status,
    findings: &'a [Finding],
}

impl Doctor {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let config = self.database.clone();
        shards::each(&config, Private::MustBeThere, async |open| {
            self.examine(open).await
        })
        .await
    }

    async fn examine(&self, open: &Open) -> anyhow::Result<()> {
        let url = open.direct_url.as_ref().unwrap_or(&open.url);
        let mut reader = Reader::connect(url)
            .await
            .with_context(|| format!("could not look at {}", open.database.name()))?;
        let pooler = self.database.pooler;
        let pooled = open.direct_url.is_some().then(|| Pooled {
            url: open.url.clone(),
            pooler,
        });
        let asked = Asked {
            place: open.place,
            pooler: if pooled.is_some() {
                Pooler::None
            } else {
                pooler
            },
            pooled,
            nats: fleet::nats(self.nats_url.as_deref())?,
            long_transaction: self.long_transaction,
            hearing: fleet::hearing(self.poll_only),
        };
        let findings = examine(&mut reader, &asked).await;
        let findings =
            findings.with_context(|| format!("{} has fallen silent", open.database.name()))?;
        reader.close().await;
        let status = findings.iter().map(|finding| finding.status).max();
        let status = status.unwrap_or(Status::Ok);
        if self.json {
            say_json(&Report {
                status,
                findings: &findings,
            })?;
        } else {
            print(&findings)?;
        }
        let is_well = match status {
            Status::Ok => true,
            Status::Unseen | Status::Warning => !self.strict,
            Status::Problem => false,
        };
        if is_well {
            return Ok(());
        }
        let not_well = findings.iter().filter(|it| it.status == status).count();
        let text = format!(
            "{} of {} findings: {}",
            not_well,
            findings.len(),
            status.name()
        );
        Err(Exit::NotWell(text).into())
    }
}

/// What was found as a table, and below it what to do.
fn print(findings: &[Finding]) -> anyhow::Result<()> {
    let rows = findings.iter().map(|finding| {
        vec![
            finding.status.name().to_owned(),
            finding.check.name().to_owned(),
            finding.found.clone(),
        ]
    });
    for line in lines(&["status", "check", "found"], rows) {
        say(line)?;
    }
    if findings.iter().any(|finding| finding.advice.is_some()) {
        say("\nWhat to do:")?;
    }
    for finding in findings {
        if let Some(advice) = &finding.advice {
            let advice = on_one_line(advice, usize::MAX);
            say(format!("  {}: {advice}", finding.check.name()))?;
        }
    }
    Ok(())
}
