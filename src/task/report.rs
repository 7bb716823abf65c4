//! What a running task says about its job, until the worker takes it: the latest progress, and pieces of text in their
//! order, as many as there is room for.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;

/// For how many bytes of text of one job there is room; a task that is faster than the database waits.
const ROOM: usize = 64 * 1024;

/// The longest piece; a longer one is cut.
const LONGEST: usize = 16 * 1024;

/// What a piece costs beside its text.
const COST: usize = 64;

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// From 0 to 100, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// What it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The way from a running task to its worker.
#[derive(Clone, Debug)]
pub struct Reporter {
    said: Arc<Mutex<Said>>,
    room: Arc<Semaphore>,
    wake: Arc<Notify>,
}

/// What was said and not taken yet.
#[derive(Debug, Default)]
struct Said {
    progress: Option<Progress>,
    chunks: Vec<(String, OwnedSemaphorePermit)>,
}

impl Reporter {
    /// One that wakes whoever takes what is said.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        Self {
            said: Arc::default(),
            room: Arc::new(Semaphore::new(ROOM)),
            wake,
        }
    }

    /// The latest counts.
    pub(super) fn progress(&self, progress: Progress) {
        if self.lock().progress.replace(progress).is_some() {
            // Whoever takes it knows already that there is something.
            return;
        }
        let wake = Arc::clone(&self.wake);
        match Handle::try_current() {
            // Not from here: what a task has woken last is run by no other thread before that task waits for something.
            Ok(runtime) => drop(runtime.spawn_blocking(move || wake.notify_one())),
            Err(_) => wake.notify_one(),
        }
    }

    /// Waits until there is room. What is said after the job is over is heard by nobody.
    pub(super) async fn chunk(&self, text: &str) {
        for piece in pieces(text) {
            let cost = u32::try_from(piece.len() + COST).expect("a piece is not that long");
            let Ok(room) = Arc::clone(&self.room).acquire_many_owned(cost).await else {
                return;
            };
            // Postgres cannot store it.
            self.lock()
                .chunks
                .push((piece.replace('\0', "\u{fffd}"), room));
            self.wake.notify_one();
            // So that whoever takes it is run also where the task waits for nothing.
            yield_now().await;
        }
    }

    /// Takes the pieces of text; there is room for others then.
    #[must_use]
    pub fn take_chunks(&self) -> Vec<String> {
        let chunks = std::mem::take(&mut self.lock().chunks);
        chunks.into_iter().map(|(text, _)| text).collect()
    }

    /// Whether there is a progress to take.
    #[must_use]
    pub fn has_progress(&self) -> bool {
        self.lock().progress.is_some()
    }

    /// Takes the latest progress.
    #[must_use]
    pub fn take_progress(&self) -> Option<Progress> {
        self.lock().progress.take()
    }

    /// Nobody takes anything any more: whoever waits for room does so no longer.
    pub fn close(&self) {
        self.room.close();
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said
            .lock()
            .expect("nobody panics while holding what was said")
    }
}

/// A text in pieces that are not too long.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let (piece, rest) = text.split_at(text.floor_char_boundary(LONGEST));
        text = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "é".repeat(LONGEST);
        let cut: Vec<&str> = pieces(&text).collect();
        assert_eq!(cut.concat(), text);
        assert!(cut.len() == 2 && cut.iter().all(|piece| piece.len() <= LONGEST));
        assert_eq!(pieces("").count(), 0);
    }

    #[tokio::test]
    async fn a_task_that_says_more_than_there_is_room_for_waits() {
        let reporter = Reporter::new(Arc::default());
        let text = "x".repeat(LONGEST);
        for _ in 0..3 {
            reporter.chunk(&text).await;
        }
        assert!(reporter.chunk(&text).now_or_never().is_none(), "it is full");
        let mut waiting = std::pin::pin!(reporter.chunk(&text));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(reporter.take_chunks().len(), 3);
        waiting.await;
        assert_eq!(reporter.take_chunks(), [text.as_str()]);
        reporter.close();
        reporter.chunk("nobody hears this").await;
        assert!(reporter.take_chunks().is_empty());
    }

    #[tokio::test]
    async fn the_latest_progress_counts_and_what_cannot_be_stored_is_replaced() {
        let reporter = Reporter::new(Arc::default());
        for percent in [1.0, 2.0] {
            reporter.progress(Progress {
                percent: Some(percent),
                note: None,
            });
        }
        assert_eq!(reporter.take_progress().unwrap().percent, Some(2.0));
        assert_eq!(reporter.take_progress(), None);
        reporter.chunk("a\0b").await;
        assert_eq!(reporter.take_chunks(), ["a\u{fffd}b"]);
    }
}
