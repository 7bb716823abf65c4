//! What a client notices of others: alone, beside those who behave, and beside as many who do not.
//!
//! Those who behave submit jobs as fast as they come back. Those who do not send as many frames in the same time:
//! nonsense, frames that are too large, jobs whose results they never read.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::roundtrip::{self, Load};
use super::socket::Socket;
use super::{Latency, Progress, rate};
use crate::shutdown::Stop;

/// How often a hostile socket sends what is due.
const TICK: Duration = Duration::from_millis(10);

/// A frame that is larger than it may be, but not so large that the socket is closed.
const TOO_LARGE: usize = 100_000;

/// What is asked of the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Company {
    /// How many jobs the quiet client has done, one after the other, in each company.
    pub jobs: usize,
    /// How many sockets the others have.
    pub sockets: usize,
    /// How many jobs each of theirs has under way, where they behave.
    pub in_flight: usize,
    /// For how many seconds a socket waits on which nothing comes.
    pub patience: f64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// From a submission to its result, alone,
    pub alone: Latency,
    /// beside those who behave,
    pub beside_load: Latency,
    /// and beside those who do not.
    pub beside_hostile: Latency,
    /// The median beside those who do not, in terms of that beside those who do.
    pub ratio: f64,
    /// How many frames a second the others sent, in both companies.
    pub frames_per_second: f64,
    /// How many of the quiet client's jobs did not come back as they should.
    pub wrong: usize,
}

/// Measures the three on the gateway that serves `address`.
///
/// # Errors
/// When a socket cannot be opened, or one that behaves is lost.
pub async fn run(address: &str, company: &Company, progress: &Progress) -> anyhow::Result<Found> {
    let alone = quiet(address, company, progress).await?;

    let others = Load {
        sockets: company.sockets,
        in_flight: company.in_flight,
        jobs: company.sockets * company.in_flight,
        ..load(company)
    };
    let stop = Stop::new();
    let behaving = async {
        // Again and again, until the quiet client is done.
        let (began, mut frames) = (Instant::now(), 0);
        while !stop.is_cancelled() {
            roundtrip::run(address, &others, &Progress::default()).await?;
            frames += others.jobs;
        }
        anyhow::Ok(rate(frames, began.elapsed()))
    };
    let (beside_load, frames_per_second) = tokio::try_join!(
        async {
            let found = quiet(address, company, progress).await;
            stop.cancel();
            found
        },
        behaving
    )?;

    let stop = Stop::new();
    let mut hostile = JoinSet::new();
    for number in 0..company.sockets {
        let each = frames_per_second / f64::from(u32::try_from(company.sockets)?);
        let patience = Duration::from_secs_f64(company.patience);
        let socket = Socket::open(address, patience).await?;
        hostile.spawn(misbehave(socket, number, each, stop.clone()));
    }
    let beside_hostile = quiet(address, company, progress).await?;
    stop.cancel();
    while let Some(ended) = hostile.join_next().await {
        ended.context("a hostile socket has panicked")?;
    }
    Ok(Found {
        ratio: beside_hostile.result.p50 / beside_load.result.p50,
        wrong: alone.wrong() + beside_load.wrong() + beside_hostile.wrong(),
        alone: alone.result,
        beside_load: beside_load.result,
        beside_hostile: beside_hostile.result,
        frames_per_second,
    })
}

/// One socket, one job at a time.
async fn quiet(
    address: &str,
    company: &Company,
    progress: &Progress,
) -> anyhow::Result<roundtrip::Found> {
    roundtrip::run(address, &load(company), progress).await
}

fn load(company: &Company) -> Load {
    Load {
        sockets: 1,
        in_flight: 1,
        jobs: company.jobs,
        task: "default".to_owned(),
        content: "hello".to_owned(),
        sessions: false,
        patience: company.patience,
    }
}

/// Sends so many frames a second, and reads nothing; whatever becomes of the socket.
async fn misbehave(mut socket: Socket, number: usize, each: f64, stop: Stop) {
    let frame = match number % 3 {
        0 => "x".repeat(TOO_LARGE),
        1 => "[".repeat(1_000),
        _ => {
            let payload = json!({"task_type": "default", "content": "hello"});
            json!({"action": "system_message", "payload": payload}).to_string()
        }
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut due = 0.0;
    let sending = async {
        loop {
            ticks.tick().await;
            due += each * TICK.as_secs_f64();
            while due >= 1.0 {
                due -= 1.0;
                if socket.send([frame.clone()]).await.is_err() {
                    return;
                }
            }
        }
    };
    let _ = stop.run_until_cancelled(sending).await;
}
