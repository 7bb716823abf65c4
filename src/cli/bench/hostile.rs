//! What a client notices of others who misbehave.

use std::time::Duration;

use clap::Args;

use super::{Gateway, size, tell, with_a_bar};
use crate::bench::Progress;
use crate::bench::hostile::{Company, run};
use crate::cli::exit::Exit;
use crate::config::duration;

#[derive(Args, Debug)]
pub(super) struct Hostile {
    #[command(flatten)]
    gateway: Gateway,

    /// How many jobs the quiet client has done in each company
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    jobs: u32,

    /// How many sockets the others have
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many jobs each of theirs has under way, where they behave
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    in_flight: u32,

    /// How long a socket waits on which nothing comes
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    patience: Duration,
}

impl Hostile {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let company = Company {
            jobs: size(self.jobs),
            sockets: size(self.sockets),
            in_flight: size(self.in_flight),
            patience: self.patience.as_secs_f64(),
        };
        let progress = Progress::default();
        let running = run(&self.gateway.gateway, &company, &progress);
        let found = with_a_bar(3 * u64::from(self.jobs), &progress, running).await?;
        tell("hostile", &company, &found)?;
        if found.wrong > 0 {
            let text = "not every job of the quiet client came back as it should";
            return Err(Exit::NotDone(text.to_owned()).into());
        }
        Ok(())
    }
}
