//! Whether the client is still there: one that says nothing is asked, and has a while to answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// When to ask a silent client, and when to give it up.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    patience: Duration,
    due: Instant,
    asked: bool,
    /// Never later than what is due. A client that is heard puts that off, and not the timer, which would cost more than
    /// hearing it.
    timer: Pin<Box<Sleep>>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the client whether it is there.
    Ask,
    /// It was asked, and has not answered.
    GiveUp,
}

impl Pulse {
    pub(super) fn new(every: Duration, patience: Duration) -> Self {
        let due = Instant::now() + every;
        Self {
            every,
            patience,
            due,
            asked: false,
            timer: Box::pin(sleep_until(due)),
        }
    }

    /// Something was heard from the client; anything is an answer.
    pub(super) fn heard(&mut self) {
        self.asked = false;
        self.put_off(self.every);
    }

    /// The client was asked.
    pub(super) fn asked(&mut self) {
        self.asked = true;
        self.put_off(self.patience);
    }

    /// Waits until something is due.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= self.due {
                return Poll::Ready(if self.asked { Due::GiveUp } else { Due::Ask });
            }
            self.timer.as_mut().reset(self.due);
        }
    }

    fn put_off(&mut self, by: Duration) {
        self.due = Instant::now() + by;
        if self.due < self.timer.deadline() {
            self.timer.as_mut().reset(self.due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn due(pulse: &mut Pulse) -> Due {
        poll_fn(|cx| pulse.poll_due(cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_asked_and_then_given_up() {
        let mut pulse = Pulse::new(Duration::from_secs(25), Duration::from_secs(10));
        let began = Instant::now();
        assert_eq!(due(&mut pulse).await, Due::Ask);
        assert_eq!(began.elapsed().as_secs(), 25);
        pulse.asked();
        assert_eq!(due(&mut pulse).await, Due::GiveUp);
        assert_eq!(began.elapsed().as_secs(), 35);
        pulse.heard();
        assert_eq!(due(&mut pulse).await, Due::Ask);
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_given_longer_than_it_may_be_silent() {
        let mut pulse = Pulse::new(Duration::from_secs(1), Duration::from_secs(10));
        let began = Instant::now();
        assert_eq!(due(&mut pulse).await, Due::Ask);
        pulse.asked();
        pulse.heard();
        assert_eq!(due(&mut pulse).await, Due::Ask);
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
