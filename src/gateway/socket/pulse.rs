//! Whether the client is still there: one that says nothing is asked, and has a while to answer.

use std::time::Duration;

use tokio::time::Instant;

/// When to ask a silent client, and when to give it up.
#[derive(Debug)]
pub(super) struct Pulse {
    every: Duration,
    patience: Duration,
    due: Instant,
    asked: bool,
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
        Self {
            every,
            patience,
            due: Instant::now() + every,
            asked: false,
        }
    }

    /// Something was heard from the client; anything is an answer.
    pub(super) fn heard(&mut self) {
        self.due = Instant::now() + self.every;
        self.asked = false;
    }

    /// Waits until something is due. It may be dropped while it waits.
    pub(super) async fn due(&self) -> Due {
        tokio::time::sleep_until(self.due).await;
        if self.asked { Due::GiveUp } else { Due::Ask }
    }

    /// The client was asked.
    pub(super) fn asked(&mut self) {
        self.due = Instant::now() + self.patience;
        self.asked = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_asked_and_then_given_up() {
        let mut pulse = Pulse::new(Duration::from_secs(25), Duration::from_secs(10));
        let began = Instant::now();
        assert_eq!(pulse.due().await, Due::Ask);
        assert_eq!(began.elapsed().as_secs(), 25);
        pulse.asked();
        assert_eq!(pulse.due().await, Due::GiveUp);
        assert_eq!(began.elapsed().as_secs(), 35);
        pulse.heard();
        assert_eq!(pulse.due().await, Due::Ask);
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
