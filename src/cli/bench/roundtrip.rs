//! Jobs there and back.

use std::time::Duration;

use clap::Args;

use super::{Gateway, size, tell, with_a_bar};
use crate::bench::Progress;
use crate::bench::roundtrip::{Load, run};
use crate::cli::exit::Exit;
use crate::config::duration;

#[derive(Args, Debug)]
pub(super) struct Roundtrip {
    #[command(flatten)]
    gateway: Gateway,

    /// How many sockets
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many jobs each socket has under way
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    in_flight: u32,

    /// How many jobs in all
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    jobs: u32,

    /// What the jobs are; a task that takes no time (`RINGBACK_DELAY_SCALE=0` for those of the demonstration)
    #[arg(long, default_value = "default", value_name = "TASK")]
    task: String,

    /// What they are about
    #[arg(long, default_value = "hello", value_name = "CONTENT")]
    content: String,

    /// Gives each socket a session and each job a key, and acknowledges each result
    #[arg(long)]
    sessions: bool,

    /// How long a socket waits on which nothing comes
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    patience: Duration,
}

impl Roundtrip {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let load = Load {
            sockets: size(self.sockets),
            in_flight: size(self.in_flight),
            jobs: size(self.jobs),
            task: self.task,
            content: self.content,
            sessions: self.sessions,
            patience: self.patience.as_secs_f64(),
        };
        let progress = Progress::default();
        let running = run(&self.gateway.gateway, &load, &progress);
        let found = with_a_bar(u64::from(self.jobs), &progress, running).await?;
        tell("roundtrip", &load, &found)?;
        if found.wrong() > 0 {
            let text = "not every job came back as it should: see the figures";
            return Err(Exit::NotDone(text.to_owned()).into());
        }
        Ok(())
    }
}
