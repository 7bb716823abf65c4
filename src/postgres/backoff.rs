//! How long to wait between tries, and how often to say so.

use std::fmt::Display;
use std::time::{Duration, Instant};

use super::Advised;

/// Growing, bounded, jittered delays between tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    told: Option<Instant>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    /// The longest delay.
    pub const LONGEST: Duration = Duration::from_secs(2);
    /// How often it is told of what goes on and on.
    const TELL_AGAIN: Duration = Duration::from_secs(30);

    /// The delays from the start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: Self::FIRST,
            told: None,
        }
    }

    /// The next delay.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(Self::LONGEST);
        delay
    }

    /// Whether to log what has failed: while the delays grow, and then once in a while, since an outage may last for hours
    /// and many parts meet it.
    pub fn tells(&mut self) -> bool {
        let tells = self.next < Self::LONGEST
            || self
                .told
                .is_none_or(|told| told.elapsed() >= Self::TELL_AGAIN);
        if tells {
            self.told = Some(Instant::now());
        }
        tells
    }

    /// What was tried has failed, because the database is away: says so, now and then, and answers after what time to try
    /// again.
    pub fn failed(&mut self, error: &sqlx::Error, what: impl Display) -> Duration {
        let delay = self.delay();
        if self.tells() {
            tracing::warn!(
                error = %Advised(error), delay_ms = delay.as_millis(),
                "{what}, trying again"
            );
        }
        delay
    }

    /// It works again: the next failure begins with the shortest delay.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_while_the_delays_grow_and_then_seldom() {
        let mut backoff = Backoff::new();
        let told = |backoff: &mut Backoff| {
            backoff.delay();
            backoff.tells()
        };
        assert_eq!((0..100).filter(|_| told(&mut backoff)).count(), 5);
        backoff.told = Instant::now().checked_sub(Backoff::TELL_AGAIN);
        assert_eq!((0..100).filter(|_| told(&mut backoff)).count(), 1);
        backoff.reset();
        assert!(told(&mut backoff));
    }
}
