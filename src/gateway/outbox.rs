//! What waits to be written to one socket, bounded by bytes.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;

use crate::telemetry::FIGURES;
use crate::wire::Close;

/// How many bytes may wait for a client that does not read.
pub(super) const LIMIT: usize = 2 * 1024 * 1024;

/// From here on outcomes wait in the database: a client that reads gets them a moment later.
pub(super) const FULL: usize = LIMIT / 2;

/// What a waiting message costs beside its text.
const MESSAGE_COST: usize = 64;

/// Messages in their order, and the close that follows them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<Utf8Bytes>,
    bytes: usize,
    close: Option<Close>,
}

impl Outbox {
    /// Adds a message; a client that lets the outbox grow over its limit is closed.
    pub(super) fn push(&mut self, text: Utf8Bytes) {
        if self.close.is_some() {
            return;
        }
        // One message always fits, however large.
        let is_alone = self.messages.is_empty();
        let cost = text.len() + MESSAGE_COST;
        self.bytes += cost;
        FIGURES.outbox.inc_by(signed(cost));
        self.messages.push_back(text);
        if self.bytes > LIMIT && !is_alone {
            self.close(Close::TooSlow);
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether an outcome of this size should rather wait where it is.
    pub(super) fn is_full_for(&self, size: usize) -> bool {
        !self.messages.is_empty() && self.bytes + size > FULL
    }

    /// Throws away what waits, and ends the socket.
    pub(super) fn close(&mut self, why: Close) {
        self.messages = VecDeque::new();
        self.empty();
        self.close.get_or_insert(why);
    }

    /// Why the socket is to be ended, if it is.
    pub(super) fn closed(&self) -> Option<Close> {
        self.close
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> (VecDeque<Utf8Bytes>, Option<Close>) {
        self.empty();
        (std::mem::take(&mut self.messages), self.close)
    }

    fn empty(&mut self) {
        FIGURES
            .outbox
            .dec_by(signed(std::mem::take(&mut self.bytes)));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.empty();
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_always_fits() {
        let mut outbox = Outbox::default();
        outbox.push("x".repeat(LIMIT * 2).into());
        let (messages, close) = outbox.take();
        assert_eq!((messages.len(), close), (1, None));
    }

    #[test]
    fn a_client_that_does_not_read_is_closed_and_its_memory_is_freed() {
        let mut outbox = Outbox::default();
        for _ in 0..=LIMIT / 1024 {
            outbox.push("x".repeat(1024).into());
        }
        outbox.push("one more".into());
        let (messages, close) = outbox.take();
        assert_eq!((messages.len(), close), (0, Some(Close::TooSlow)));
    }
}
