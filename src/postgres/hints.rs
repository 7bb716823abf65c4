//! How hints travel: with the commits of Postgres itself, or beside it.
//!
//! A hint may be lost, whichever way it goes: the tables are the truth, and whoever listens also polls.

use std::fmt;
use std::future::ready;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, pending};

use super::listener::Wake;

/// That there is something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Whom it is for.
    pub channel: String,
    /// What it names.
    pub payload: String,
}

/// What a statement does about its hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hinting {
    /// It notifies, and Postgres sends them with the commit.
    Notify,
    /// It answers those of what happens all the time, and they are sent after the commit. What is rare notifies.
    Answer,
    /// Nothing: they could not be sent.
    Nothing,
}

/// A way for the hints of what happens to every job. Everything else notifies, whichever way this is.
///
/// None of it may fail or hold up whoever sends.
pub trait Hints: fmt::Debug + Send + Sync {
    /// What statements do about them.
    fn hinting(&self) -> Hinting;

    /// Sends what statements have answered, now that it is committed.
    fn send(&self, hints: &[Hint]);

    /// What comes on these channels, for ever, beside what Postgres sends. Whenever something may have been missed it is a
    /// [`Wake::Sweep`].
    fn hear(&self, channels: &[String]) -> BoxStream<'static, Wake>;

    /// Waits, not for long, until what was sent is on its way: this process is about to end.
    fn flush(&self) -> BoxFuture<'_, ()>;
}

/// By NOTIFY, which needs nothing else. Postgres commits transactions that notify one after another.
#[derive(Clone, Copy, Debug)]
pub struct Notify;

impl Hints for Notify {
    fn hinting(&self) -> Hinting {
        Hinting::Notify
    }

    fn send(&self, _: &[Hint]) {}

    fn hear(&self, _: &[String]) -> BoxStream<'static, Wake> {
        pending().boxed()
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

impl Hint {
    /// Those of a statement's answer: a column of channels, and one of payloads.
    #[must_use]
    pub fn of_columns(channels: Vec<String>, payloads: Vec<String>) -> Vec<Self> {
        let pairs = channels.into_iter().zip(payloads);
        pairs
            .map(|(channel, payload)| Self { channel, payload })
            .collect()
    }
}

impl Hinting {
    /// Whether a statement that is rare hints.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Self::Nothing
    }

    /// Whether a statement notifies of what happens all the time,
    #[must_use]
    pub fn notifies(self) -> bool {
        self == Self::Notify
    }

    /// or answers its hints.
    #[must_use]
    pub fn answers(self) -> bool {
        self == Self::Answer
    }
}
