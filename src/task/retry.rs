//! What follows a failed attempt.

use std::time::Duration;

/// How long the next attempt waits after a failure: exponential back-off with full jitter.
///
/// It is a random part of a time that doubles with every failure, up to a bound, so that jobs that failed together do not
/// come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryDelay {
    /// The longest after the first failure.
    pub first: Duration,
    /// The longest after any.
    pub longest: Duration,
}

/// Up to 2 s after the first failure, up to 10 minutes after the tenth and every later one.
impl Default for RetryDelay {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(600),
        }
    }
}

impl RetryDelay {
    /// A delay after the `failures`th failure, counted from 1.
    #[must_use]
    pub fn after(self, failures: i32) -> Duration {
        self.bound(failures).mul_f64(fastrand::f64())
    }

    fn bound(self, failures: i32) -> Duration {
        let doublings = failures.saturating_sub(1).clamp(0, 30).unsigned_abs();
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_never_pass_it() {
        let seconds = Duration::from_secs;
        let delay = RetryDelay {
            first: seconds(3),
            longest: seconds(20),
        };
        let bounds = [
            (-1, 3),
            (0, 3),
            (1, 3),
            (2, 6),
            (3, 12),
            (4, 20),
            (i32::MAX, 20),
        ];
        for (failures, bound) in bounds {
            assert_eq!(delay.bound(failures), seconds(bound));
            assert!((0..100).all(|_| delay.after(failures) <= seconds(bound)));
        }
    }

    #[test]
    fn delays_are_spread_over_the_whole_time() {
        let delay = RetryDelay::default();
        let early = (0..1_000).filter(|_| delay.after(5) < delay.bound(5) / 2);
        assert!((300..700).contains(&early.count()));
    }
}
