//! `ringback bench`: what a running gateway, or the queue alone, does on this machine.

mod fanout;
mod hostile;
mod idle;
mod queue;
mod roundtrip;

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Value, json};

use super::files;
use super::output::{lines, say, say_json};
use crate::bench::Progress;
use crate::config::LISTEN;

use fanout::Fanout;
use hostile::Hostile;
use idle::Idle;
use queue::Queue;
use roundtrip::Roundtrip;

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
    /// What a client notices of others who misbehave
    Hostile(Hostile),
    /// Sockets that are open and say nothing
    Idle(Idle),
    /// The queue without sockets, on a Postgres of its own that is thrown away
    Queue(Queue),
}

/// The gateway that is measured.
#[derive(Args, Debug)]
struct Gateway {
    /// The address that the gateway serves
    #[arg(long, default_value = LISTEN, value_name = "ADDRESS")]
    gateway: String,
}

impl Bench {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        files::allow_all();
        match self.what {
            What::Roundtrip(verb) => verb.run().await,
            What::Fanout(verb) => verb.run().await,
            What::Hostile(verb) => verb.run().await,
            What::Idle(verb) => verb.run().await,
            What::Queue(verb) => verb.run().await,
        }
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
