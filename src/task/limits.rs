//! How much of a task may run, in the whole fleet.

use std::time::Duration;

/// How many jobs may run at once, and how many may start within a time.
///
/// They are held exactly, across all workers: a job over a limit is `held` until there is room. A job whose worker was
/// lost makes room when it is taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many may run at once.
    pub concurrency: Option<u32>,
    /// How many may start within a time.
    pub rate: Option<Rate>,
}

/// So many starts within any stretch of time this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub starts: u32,
    /// How long.
    pub period: Duration,
}

impl Limits {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With at most so many at once; none at all would never run, and is taken for one.
    #[must_use]
    pub fn at_once(mut self, jobs: u32) -> Self {
        self.concurrency = Some(jobs.max(1));
        self
    }

    /// With at most so many starts within any stretch of time of `period`, which is at least a millisecond.
    #[must_use]
    pub fn starts(mut self, starts: u32, period: Duration) -> Self {
        self.rate = Some(Rate {
            starts: starts.max(1),
            period: period.max(Duration::from_millis(1)),
        });
        self
    }
}
