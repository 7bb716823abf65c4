//! `ringback bench`: what a running gateway, or the queue alone, does on this machine.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Value, json};

use super::database::{self, Open, Private};
use super::exit::Exit;
use super::output::{lines, say, say_json};
use crate::bench::{self, Progress};
use crate::config::{DatabaseConfig, duration};
use crate::postgres::Database;
use crate::postgres::private::{self, Durability};
use crate::queue::fleet;
use crate::shutdown::Stop;

/// How often the bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Settings of `bench`.
#[derive(Args, Debug)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Jobs there and back over sockets, as fast as they come back
    Roundtrip(Roundtrip),
    /// Notices to many sockets
    Fanout(Fanout),
    /// Sockets that are open and say nothing
    Idle(Idle),
    /// The queue without sockets, on a Postgres of its own that is thrown away
    Queue(Queue),
}

/// The gateway that is measured.
#[derive(Args, Debug)]
struct Gateway {
    /// The address that the gateway serves
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    gateway: String,
}

#[derive(Args, Debug)]
struct Roundtrip {
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

#[derive(Args, Debug)]
struct Fanout {
    #[command(flatten)]
    gateway: Gateway,

    /// How many sockets
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many notices
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "NOTICES")]
    notices: u32,

    /// Sends all notices at once, and not each when everybody has heard the one before
    #[arg(long)]
    burst: bool,

    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Args, Debug)]
struct Idle {
    #[command(flatten)]
    gateway: Gateway,

    /// How many sockets
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    sockets: u32,

    /// How many of them are being opened at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..), value_name = "SOCKETS")]
    opening: u32,

    /// How many notices they hear before the memory is looked at again
    #[arg(long, default_value_t = 20, value_name = "NOTICES")]
    notices: u32,

    #[command(flatten)]
    database: DatabaseConfig,
}

#[derive(Args, Debug)]
struct Queue {
    /// How many jobs
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    jobs: u32,

    /// How many of them the worker runs at once
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..), value_name = "JOBS")]
    concurrency: u32,
}

impl Bench {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Roundtrip(verb) => verb.run().await,
            What::Fanout(verb) => verb.run().await,
            What::Idle(verb) => verb.run().await,
            What::Queue(verb) => verb.run().await,
        }
    }
}

impl Roundtrip {
    async fn run(self) -> anyhow::Result<()> {
        let load = bench::roundtrip::Load {
            sockets: size(self.sockets),
            in_flight: size(self.in_flight),
            jobs: size(self.jobs),
            task: self.task,
            content: self.content,
            sessions: self.sessions,
            patience: self.patience.as_secs_f64(),
        };
        let progress = Progress::default();
        let running = bench::roundtrip::run(&self.gateway.gateway, &load, &progress);
        let found = with_a_bar(u64::from(self.jobs), &progress, running).await?;
        tell("roundtrip", &load, &found)?;
        if found.wrong() > 0 {
            let text = "not every job came back as it should: see the figures";
            return Err(Exit::NotDone(text.to_owned()).into());
        }
        Ok(())
    }
}

impl Fanout {
    async fn run(self) -> anyhow::Result<()> {
        let load = bench::fanout::Load {
            sockets: size(self.sockets),
            notices: size(self.notices),
            burst: self.burst,
        };
        database::once(&self.database, Private::MustBeThere, async |open: &Open| {
            let progress = Progress::default();
            let address = &self.gateway.gateway;
            let running = bench::fanout::run(address, &open.database, &load, &progress);
            let messages = u64::from(self.sockets) * u64::from(self.notices);
            let found = with_a_bar(messages, &progress, running).await?;
            tell("fanout", &load, &found)?;
            if found.missing > 0 {
                let text = "not every message came: see the figures";
                return Err(Exit::NotDone(text.to_owned()).into());
            }
            Ok(())
        })
        .await
    }
}

impl Idle {
    async fn run(self) -> anyhow::Result<()> {
        let load = bench::idle::Load {
            sockets: size(self.sockets),
            opening: size(self.opening),
            notices: size(self.notices),
        };
        database::once(&self.database, Private::MustBeThere, async |open: &Open| {
            let address = &self.gateway.gateway;
            let pid = fleet::gateway_at(open.database.pool(), address)
                .await
                .context("could not read which gateways there are")?
                .with_context(|| format!("no gateway of this database serves {address}"))?;
            let progress = Progress::default();
            let running = bench::idle::run(address, pid, &open.database, &load, &progress);
            let found = with_a_bar(u64::from(self.sockets), &progress, running).await?;
            tell("idle", &load, &found)
        })
        .await
    }
}

impl Queue {
    async fn run(self) -> anyhow::Result<()> {
        let load = bench::queue::Load {
            jobs: size(self.jobs),
            concurrency: size(self.concurrency),
        };
        let folder = std::env::temp_dir().join(format!("ringback-bench-{}", std::process::id()));
        let made = folder.clone();
        let cluster = tokio::task::spawn_blocking(move || {
            private::ensure(&made, Durability::Full, &Stop::new())
        });
        let cluster = cluster.await.context("could not start a Postgres")??;
        let database = Database::new(cluster.url())?;
        let measured = async {
            database.migrate().await?;
            let progress = Progress::default();
            let running = bench::queue::run(&database, &load, &progress);
            let steps = 2 * u64::from(self.jobs);
            with_a_bar(steps, &progress, running).await
        };
        let found = measured.await;
        database.close().await;
        tokio::task::spawn_blocking(move || {
            let left = cluster.leave();
            // Where it cannot be removed it is the system's to clean up.
            let _ = private::discard(&folder);
            left
        })
        .await
        .context("could not stop the Postgres")??;
        tell("queue", &load, &found?)
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Runs a load, and shows on a terminal how far it is.
async fn with_a_bar<T>(
    steps: u64,
    progress: &Progress,
    load: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    let drawing = async {
        loop {
            bar.set_position(progress.done());
            tokio::time::sleep(DRAW_EVERY).await;
        }
    };
    let found = tokio::select! {
        found = load => found,
        () = drawing => unreachable!("it draws for ever"),
    };
    bar.finish_and_clear();
    found
}

/// A table of what was asked and found, and both as one line of JSON.
fn tell(what: &str, load: &impl Serialize, found: &impl Serialize) -> anyhow::Result<()> {
    let (load, found) = (json!(load), json!(found));
    let rows = [&load, &found].into_iter().flat_map(rows);
    for line in lines(&[what, ""], rows) {
        say(line)?;
    }
    say_json(&json!({
        "bench": what,
        "version": env!("CARGO_PKG_VERSION"),
        "settings": load,
        "found": found,
    }))
}

fn rows(of: &Value) -> Vec<Vec<String>> {
    let fields = of.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| vec![name.replace('_', " "), shown(value)])
        .collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(latency) => {
            let parts = latency
                .iter()
                .map(|(name, time)| format!("{name} {:.2}", time.as_f64().unwrap_or_default()));
            format!("{} ms", parts.collect::<Vec<String>>().join("  "))
        }
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            if number < 100.0 {
                format!("{number:.2}")
            } else {
                format!("{number:.0}")
            }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
