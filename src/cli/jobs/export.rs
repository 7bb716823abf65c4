//! `ringback jobs export`: takes the history of some days out, as CSV.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use jiff::civil::Date;

use super::super::database::Open;
use super::super::exit::Exit;
use super::super::output::say;
use super::super::shards;
use crate::config::DatabaseConfig;
use crate::queue::export::{self, Day, Failed};

/// Settings of `jobs export`.
#[derive(Args, Debug)]
pub(super) struct Export {
    /// The first day (UTC) on which the jobs were submitted, such as 2026-01-31
    #[arg(long, value_name = "DAY")]
    from: Date,

    /// The last one
    #[arg(long, value_name = "DAY")]
    to: Date,

    /// Where to write a file for each day of the jobs, of their attempts and of their texts; without it, the jobs alone
    /// are printed
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseConfig,
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if self.from > self.to {
            let text = format!("{} is after {}", self.from, self.to);
            return Err(Exit::Usage(text).into());
        }
        let config = self.database.clone();
        shards::one(&config, async |open| self.export(open).await).await
    }

    async fn export(&self, open: &Open) -> anyhow::Result<()> {
        open.check().await?;
        let mut link = open.direct_link("export").await?;
        let connection = link.connected().await.context("could not connect")?;
        match &self.folder {
            None => {
                let printed = export::print(connection, day(self.from)?, day(self.to)?).await;
                printed.map_err(told)?;
            }
            Some(folder) => {
                for date in self.from.series(jiff::Span::new().days(1)) {
                    if date > self.to {
                        break;
                    }
                    let name = date.strftime("%Y%m%d").to_string();
                    let written = export::day(connection, folder, day(date)?, &name).await;
                    for file in written.map_err(told)? {
                        say(folder.join(file).display())?;
                    }
                }
            }
        }
        link.close().await;
        Ok(())
    }
}

fn day(date: Date) -> anyhow::Result<Day> {
    let midnight = |date: Date| {
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC);
        midnight.map(|time| time.timestamp().as_millisecond())
    };
    let after = date.tomorrow().context("there is no day after that")?;
    Ok(Day {
        begin: midnight(date).context("there is no such day")?,
        end: midnight(after).context("there is no such day")?,
    })
}

fn told(failed: Failed) -> anyhow::Error {
    match failed {
        Failed::Folder(error) if error.cause.kind() == std::io::ErrorKind::BrokenPipe => {
            Exit::Unread.into()
        }
        failed => anyhow::Error::new(failed).context("could not export the history"),
    }
}
