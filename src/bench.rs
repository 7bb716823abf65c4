//! What is measured: loads on a running gateway, or on the queue alone, and what they find.
//!
//! The verb `bench` and the programs in `benches/` run them and print what they find. Every load counts what went wrong
//! beside how fast it was: a figure in which something was lost is none.

pub mod fanout;
pub mod hostile;
pub mod idle;
pub mod queue;
pub mod roundtrip;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// How far a load is, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// How many of its steps are done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, steps: usize) {
        self.0
            .fetch_add(u64::try_from(steps).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// How long something took, each time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the times it took less than this,
    pub p50: f64,
    /// 95 of a hundred times less than this,
    pub p95: f64,
    /// 99 of a hundred times less than this,
    pub p99: f64,
    /// and never more than this.
    pub max: f64,
}

impl Latency {
    /// Of these times; nothing took nothing.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else {
            return Self::default();
        };
        let at = |hundredth: usize| times[last * hundredth / 100].as_secs_f64() * 1_000.0;
        Self {
            p50: at(50),
            p95: at(95),
            p99: at(99),
            max: at(100),
        }
    }
}

/// How many a second; none in no time.
fn rate(count: usize, took: Duration) -> f64 {
    if took.is_zero() {
        return 0.0;
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    f64::from(count) / took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = (1..=1_000).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(times);
        assert_eq!(
            (latency.p50, latency.p95, latency.p99, latency.max),
            (500.0, 950.0, 990.0, 1_000.0)
        );
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
