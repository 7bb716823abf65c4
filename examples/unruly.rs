//! A worker whose tasks misbehave in every way that a task can, to see what becomes of them.
//!
//! `hold SECONDS` works that long, `block SECONDS` blocks every thread of the runtime that long, `panic` panics, `nul`
//! gives a result that Postgres cannot store, `fail` fails for good, `flaky N` fails until its Nth attempt, `die` takes
//! the whole process with it, `deep` gives a result nested 200 deep, `count` gives the number of the attempt, and `late
//! SECONDS` works that long, although it may take only half a second, twice. `obey` and `quit` wait until somebody wants
//! them to end, and then succeed and fail. `single SECONDS` works that long, one job at a time for each key; `few SECONDS`
//! may do so three times at once, and once for each key; `paced` may start three times a second. `story N` says N pieces
//! of text, one every 20 ms, `flood N` says N long ones at once, and `busy` says a thousand times in a second how far it is.
//!
//! ```sh
//! DATABASE_URL="$(ringback url)" cargo run --example unruly
//! ```

use std::time::Duration;

use anyhow::Context as _;
use ringback::postgres::Database;
use ringback::shutdown::{Parts, on_signal};
use ringback::sweeper::{self, Keep};
use ringback::task::{Again, Context, Limits, RetryDelay, Task, TaskError, Tasks};
use ringback::telemetry::{self, Times};
use ringback::worker::{self, Settings};
use serde_json::Value;

fn tasks() -> Tasks {
    Tasks::new()
        .with(Task::new("hold", hold))
        .with(Task::new("block", block))
        .with(Task::new("panic", |_, _| async {
            panic!("as it was asked to")
        }))
        .with(Task::new("nul", |_, _| async { Ok(Value::from("a\0b")) }))
        .with(Task::new("fail", |_, _| async {
            Err(TaskError::permanent("as it was asked to"))
        }))
        .with(Task::new("flaky", flaky))
        .with(Task::new("die", |_, _| async { std::process::abort() }))
        .with(Task::new("deep", |_, _| async {
            Ok((0..200).fold(Value::Null, |inside, _| Value::Array(vec![inside])))
        }))
        .with(
            Task::new("late", hold)
                .time_limit(Duration::from_millis(500))
                .max_attempts(2)
                .retry_delay(RetryDelay {
                    first: Duration::from_millis(100),
                    longest: Duration::from_millis(100),
                }),
        )
        .with(Task::new("obey", |_, context: Context| async move {
            context.cancelled().await;
            Ok(Value::from("as you wish"))
        }))
        .with(Task::new("quit", |_, context: Context| async move {
            context.cancelled().await;
            Err(TaskError::after("as you wish", Duration::ZERO))
        }))
        .with(Task::new("single", hold).key_limits(Limits::none().at_once(1)))
        .with(
            Task::new("few", hold)
                .limits(Limits::none().at_once(3))
                .key_limits(Limits::none().at_once(1)),
        )
        .with(
            Task::new("paced", |_, _| async { Ok(Value::Null) })
                .limits(Limits::none().starts(3, Duration::from_secs(1))),
        )
        .with(Task::new("story", story))
        .with(Task::new("flood", flood))
        .with(Task::new("busy", busy))
        .with(Task::new("count", |_, context: Context| async move {
            Ok(Value::from(context.attempt.to_string()))
        }))
}

async fn hold(input: Value, _: Context) -> Result<Value, TaskError> {
    tokio::time::sleep(seconds(&input)).await;
    Ok(Value::from("held"))
}

async fn story(input: Value, context: Context) -> Result<Value, TaskError> {
    let pieces = number(&input);
    for piece in 1..=pieces {
        tokio::time::sleep(Duration::from_millis(20)).await;
        context.chunk(&format!("{piece} ")).await;
    }
    Ok(Value::from(pieces))
}

async fn flood(input: Value, context: Context) -> Result<Value, TaskError> {
    let pieces = number(&input);
    for piece in 1..=pieces {
        context.chunk(&format!("{piece:<16000}")).await;
    }
    Ok(Value::from(pieces))
}

async fn busy(_: Value, context: Context) -> Result<Value, TaskError> {
    for thousandth in 1..=1_000 {
        context.progress(f64::from(thousandth) / 10.0, "busy");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Value::Null)
}

fn number(input: &Value) -> u32 {
    let text = input.as_str().unwrap_or_default();
    text.parse().unwrap_or(1)
}

/// Blocks as many threads as there are, by as many tasks that do not yield.
async fn block(input: Value, _: Context) -> Result<Value, TaskError> {
    let time = seconds(&input);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..threads * 2 {
        others.spawn(async move { std::thread::sleep(time) });
    }
    std::thread::sleep(time);
    others.join_all().await;
    Ok(Value::from("blocked"))
}

async fn flaky(input: Value, context: Context) -> Result<Value, TaskError> {
    let wanted = input
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    if context.attempt < wanted {
        let again = Again::After(Duration::from_millis(10));
        return Err(TaskError {
            message: format!("attempt {} of {wanted}", context.attempt),
            again,
        });
    }
    Ok(Value::from(format!("done at attempt {}", context.attempt)))
}

fn seconds(input: &Value) -> Duration {
    let text = input.as_str().unwrap_or_default();
    Duration::try_from_secs_f64(text.parse().unwrap_or(1.0)).unwrap_or_default()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::start("info", Times::Shown);
    let url = std::env::var("DATABASE_URL")
        .context("set DATABASE_URL, for example to the output of `ringback url`")?;
    let grace = std::env::var("RINGBACK_SHUTDOWN_GRACE")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let settings = Settings {
        grace: Duration::from_secs_f64(grace.unwrap_or(30.0)),
        ..Settings::default()
    };
    let database = Database::new(&url)?;
    let stop = on_signal()?;
    let mut parts = Parts::default();
    let keep = Keep {
        history: Duration::from_secs(30 * 86_400),
        sessions: Duration::from_secs(86_400),
    };
    parts.spawn(
        "sweeper",
        sweeper::run(database.clone(), keep, stop.clone()),
    );
    parts.spawn(
        "worker",
        worker::run(database, tasks(), settings, stop.clone()),
    );
    parts.join(&stop).await
}
