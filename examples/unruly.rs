//! A worker whose tasks misbehave in every way that a task can, to see what becomes of them.
//!
//! `hold SECONDS` works that long, `block SECONDS` blocks every thread of the runtime that long, `panic` panics, `nul`
//! gives a result that Postgres cannot store, `fail` fails for good, `flaky N` fails until its Nth attempt, `die` takes
//! the whole process with it, `deep` gives a result nested 200 deep, `count` gives the number of the attempt, and `late
//! SECONDS` works that long, although it may take only half a second, twice. `obey` and `quit` wait until somebody wants
//! them to end, and then succeed and fail. `single SECONDS` works that long, one job at a time for each key; `few SECONDS`
//! may do so three times at once, and once for each key; `paced` may start three times a second. `story N` says N pieces
//! of text, one every 20 ms, `flood N` says N long ones at once, and `busy` says a thousand times in a second how far it is.
//! `follow` has a list of names for its input, and asks for a job of `count` for each. `grind` blocks a thread until it is to
//! end, and `stubborn SECONDS` that long, although it may take only 300 ms.
//!
//! ```sh
//! DATABASE_URL="$(ringback url)" cargo run --example unruly
//! ```

use std::time::Duration;

use anyhow::Context as _;
use ringback::config::Keep;
use ringback::postgres::Database;
use ringback::shutdown::{Parts, on_signal};
use ringback::sweeper;
use ringback::task::{Context, FollowUp, Limits, Options, RetryDelay, TaskError, Tasks, from_fn};
use ringback::telemetry::{self, Lines};
use ringback::worker::{self, Settings};
use serde_json::Value;

fn tasks() -> Tasks {
    let options = Options::new;
    let soon = RetryDelay {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(100),
    };
    let late = options().time_limit(Duration::from_millis(500));
    let single = options().key_limits(Limits::none().at_once(1));
    let few = options().limits(Limits::none().at_once(3));
    let paced = options().limits(Limits::none().starts(3, Duration::from_secs(1)));
    let short = options().time_limit(Duration::from_millis(300));
    let short = short.max_attempts(1);
    Tasks::new()
        .with(from_fn("hold", hold))
        .with(from_fn("block", block))
        .with(from_fn("panic", panic))
        .with(from_fn("nul", |_: Value, _| async { Ok("a\0b") }))
        .with(from_fn("fail", fail))
        .with(from_fn("flaky", flaky))
        .with(from_fn("die", die))
        .with(from_fn("deep", |_: Value, _| async {
            Ok((0..200).fold(Value::Null, |inside, _| Value::Array(vec![inside])))
        }))
        .with(from_fn("late", hold).with_options(late.max_attempts(2).retry_delay(soon)))
        .with(from_fn("obey", |_: Value, context: Context| async move {
            context.cancelled().await;
            Ok("as you wish")
        }))
        .with(from_fn("quit", quit))
        .with(from_fn("single", hold).with_options(single))
        .with(from_fn("few", hold).with_options(few.key_limits(Limits::none().at_once(1))))
        .with(from_fn("paced", |_: Value, _| async { Ok(Value::Null) }).with_options(paced))
        .with(from_fn("story", story))
        .with(from_fn("flood", flood))
        .with(from_fn("busy", busy))
        .with(from_fn("count", |_: Value, context: Context| async move {
            Ok(context.attempt.to_string())
        }))
        .with(from_fn("follow", follow))
        .with(from_fn("grind", grind))
        .with(from_fn("stubborn", stubborn).with_options(short))
}

async fn hold(input: Value, _: Context) -> anyhow::Result<&'static str> {
    tokio::time::sleep(seconds(&input)).await;
    Ok("held")
}

async fn panic(_: Value, _: Context) -> anyhow::Result<()> {
    panic!("as it was asked to")
}

async fn fail(_: Value, _: Context) -> anyhow::Result<()> {
    Err(TaskError::permanent("as it was asked to").into())
}

async fn die(_: Value, _: Context) -> anyhow::Result<()> {
    std::process::abort()
}

async fn quit(_: Value, context: Context) -> anyhow::Result<()> {
    context.cancelled().await;
    Err(TaskError::after("as you wish", Duration::ZERO).into())
}

async fn story(input: Value, context: Context) -> anyhow::Result<u32> {
    let pieces = number(&input);
    for piece in 1..=pieces {
        tokio::time::sleep(Duration::from_millis(20)).await;
        context.chunk(&format!("{piece} ")).await;
    }
    Ok(pieces)
}

async fn flood(input: Value, context: Context) -> anyhow::Result<u32> {
    let pieces = number(&input);
    for piece in 1..=pieces {
        context.chunk(&format!("{piece:<16000}")).await;
    }
    Ok(pieces)
}

async fn busy(_: Value, context: Context) -> anyhow::Result<()> {
    for thousandth in 1..=1_000 {
        context.progress(f64::from(thousandth) / 10.0, "busy");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Asks for as many jobs of `count` as its input has names, and fails where one of them is `fail`.
async fn follow(names: Vec<String>, context: Context) -> anyhow::Result<usize> {
    let _within = tracing::info_span!("gather").entered();
    for name in &names {
        context.enqueue(FollowUp::new("count", name.as_str()))?;
    }
    if names.iter().any(|name| name == "fail") {
        return Err(TaskError::permanent("as it was asked to").into());
    }
    if names.iter().any(|name| name == "unknown") {
        context.enqueue(FollowUp::new("nobody can do this", Value::Null))?;
    }
    Ok(names.len())
}

/// Blocks a thread of its own until it is to end, and says by when it had to.
async fn grind(_: Value, context: Context) -> anyhow::Result<String> {
    let has_limit = context.deadline.is_some();
    let looking = context.clone();
    let turns = context.blocking(move || {
        let mut turns = 0_u64;
        while !looking.is_cancelled() {
            turns += 1;
            looking.progress(None, "grinding");
            std::thread::sleep(Duration::from_millis(5));
        }
        turns
    });
    let ground = turns.await > 0;
    Ok(format!("ground: {ground}, limited: {has_limit}"))
}

/// Blocks a thread of its own, whoever wants it to end.
async fn stubborn(input: Value, context: Context) -> anyhow::Result<()> {
    let time = seconds(&input);
    context.blocking(move || std::thread::sleep(time)).await;
    Ok(())
}

fn number(input: &Value) -> u32 {
    let text = input.as_str().unwrap_or_default();
    text.parse().unwrap_or(1)
}

/// Blocks as many threads as there are, by as many tasks that do not yield.
async fn block(input: Value, _: Context) -> anyhow::Result<&'static str> {
    let time = seconds(&input);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..threads * 2 {
        others.spawn(async move { std::thread::sleep(time) });
    }
    std::thread::sleep(time);
    others.join_all().await;
    Ok("blocked")
}

async fn flaky(input: Value, context: Context) -> anyhow::Result<String> {
    let wanted = input
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    if context.attempt < wanted {
        let text = format!("attempt {} of {wanted}", context.attempt);
        return Err(TaskError::after(text, Duration::from_millis(10)).into());
    }
    Ok(format!("done at attempt {}", context.attempt))
}

fn seconds(input: &Value) -> Duration {
    let text = input.as_str().unwrap_or_default();
    Duration::try_from_secs_f64(text.parse().unwrap_or(1.0)).unwrap_or_default()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let lines = match std::env::var("RINGBACK_LOG_FORMAT").as_deref() {
        Ok("json") => Lines::Json,
        _ => Lines::Dated,
    };
    if let Ok(collector) = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        telemetry::export_to(&collector)?;
    }
    telemetry::start("info", lines);
    let url = std::env::var("DATABASE_URL")
        .context("set DATABASE_URL, for example to the output of `ringback url`")?;
    let grace = std::env::var("RINGBACK_SHUTDOWN_GRACE")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let concurrency = std::env::var("RINGBACK_CONCURRENCY")
        .ok()
        .and_then(|jobs| jobs.parse().ok());
    let settings = Settings {
        concurrency: concurrency.unwrap_or(256),
        grace: Duration::from_secs_f64(grace.unwrap_or(30.0)),
        ..Settings::default()
    };
    let database = Database::new(&url)?;
    let stop = on_signal()?;
    let mut parts = Parts::default();
    parts.spawn(
        "sweeper",
        sweeper::run(database.clone(), Keep::default(), stop.clone()),
    );
    parts.spawn(
        "worker",
        worker::run(database, tasks(), settings, stop.clone()),
    );
    let ended = parts.join(&stop).await;
    telemetry::flush();
    ended
}
