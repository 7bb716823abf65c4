//! Sockets that are open and say nothing: how fast they are opened, and what each costs the gateway.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use super::socket::Socket;
use super::{Progress, rate};
use crate::notice;
use crate::postgres::Database;
use crate::wire::SYSTEM_GROUP;

/// How long a socket waits for a notice, and how long that is kept: a gateway that is late must still find it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked of the gateway.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// How many sockets.
    pub sockets: usize,
    /// How many of them are being opened at once.
    pub opening: usize,
    /// How many notices they then hear.
    pub notices: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// How many were opened in a second.
    pub opened_per_second: f64,
    /// How many bytes of the gateway's own memory one costs.
    pub bytes_per_socket: f64,
    /// And after they have heard the notices.
    pub bytes_after_notices: f64,
}

/// Runs the load on the gateway that serves `address`, is the process `pid` on this machine, and has this database.
///
/// # Errors
/// When a socket cannot be opened, or is lost; when the process cannot be looked at; or those of the database.
pub async fn run(
    address: &str,
    pid: i32,
    database: &Database,
    load: &Load,
    progress: &Progress,
) -> anyhow::Result<Found> {
    let before = memory(pid)?;
    let began = Instant::now();
    let opening = stream::iter(0..load.sockets).map(|_| Socket::open(address, PATIENCE));
    let mut opening = opening.buffer_unordered(load.opening.max(1));
    let mut sockets = Vec::with_capacity(load.sockets);
    while let Some(socket) = opening.next().await {
        sockets.push(socket?);
        progress.add(1);
    }
    drop(opening);
    let took = began.elapsed();
    let fresh = memory(pid)?;
    let mut connection = database
        .pool()
        .acquire()
        .await
        .context("could not reach the database")?;
    for number in 0..load.notices {
        let text = format!("a notice that costs little, number {number}");
        notice::send(&mut connection, SYSTEM_GROUP, &text, PATIENCE)
            .await
            .context("could not send a notice")?;
        for socket in &mut sockets {
            if socket.hear().await?.is_empty() {
                bail!("a socket has not heard a notice");
            }
        }
    }
    let heard = memory(pid)?;
    let each = |bytes: u64| {
        let count = u32::try_from(load.sockets.max(1)).unwrap_or(u32::MAX);
        let more = u32::try_from(bytes.saturating_sub(before) / 1_024).unwrap_or(u32::MAX);
        f64::from(more) * 1_024.0 / f64::from(count)
    };
    Ok(Found {
        opened_per_second: rate(load.sockets, took),
        bytes_per_socket: each(fresh),
        bytes_after_notices: each(heard),
    })
}

/// The memory that is a process's own, in bytes.
fn memory(pid: i32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| {
        format!("could not read {path}; the gateway must run on this machine, and this on Linux")
    })?;
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = own.and_then(|own| own.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("{path} does not say RssAnon"))? * 1_024)
}
