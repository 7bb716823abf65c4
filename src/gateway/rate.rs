//! How many messages may come in a second: a bucket that fills as time passes, and holds a second's worth.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How many may come.
#[derive(Debug)]
pub(super) struct Rate {
    /// In a second; 0 is no limit.
    most: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            bucket: Mutex::new(Bucket {
                left: f64::from(most),
                at: Instant::now(),
            }),
        }
    }

    /// Whether one more may come; if not, after what time.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        if self.most == 0 {
            return Ok(());
        }
        let most = f64::from(self.most);
        let mut bucket = self
            .bucket
            .lock()
            .expect("nobody panics while holding the bucket");
        let passed = now.saturating_duration_since(bucket.at);
        bucket.left = (bucket.left + passed.as_secs_f64() * most).min(most);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / most));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_as_time_passes() {
        let rate = Rate::new(10);
        let start = Instant::now();
        let at = |milliseconds| rate.take_at(start + Duration::from_millis(milliseconds));
        assert!((0..10).all(|_| at(0).is_ok()));
        assert!(at(0).unwrap_err() <= Duration::from_millis(100));
        assert!(at(50).is_err());
        assert!(at(110).is_ok());
        assert!(at(110).is_err());
        // What was not used is not kept for ever.
        assert!((0..10).all(|_| at(60_000).is_ok()));
        assert!(at(60_000).is_err());
    }

    #[test]
    fn without_a_limit_any_number_may_come() {
        let rate = Rate::new(0);
        assert!((0..1_000).all(|_| rate.take().is_ok()));
    }
}
