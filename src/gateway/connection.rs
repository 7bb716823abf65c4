//! One socket as the rest of the gateway sees it: an outbox, and the jobs it waits for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use crate::ids::{ConnectionId, JobId};
use crate::wire::Close;

/// How many bytes may wait for a client that does not read.
const OUTBOX_LIMIT: usize = 2 * 1024 * 1024;

/// From here on outcomes wait in the database: a client that reads gets them a moment later.
const OUTBOX_FULL: usize = OUTBOX_LIMIT / 2;

/// How many jobs one socket may wait for: what is remembered of them is in memory.
const JOBS_LIMIT: usize = 50_000;

/// What a waiting message costs beside its text.
const MESSAGE_COST: usize = 64;

/// One open socket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Woken when the outbox is no longer empty, or the socket is to be closed.
    pub(super) wake: Notify,
    /// Woken when the outbox has overflowed.
    pub(super) overflow: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: VecDeque<Utf8Bytes>,
    bytes: usize,
    close: Option<Close>,
    jobs: HashMap<JobId, Waiting>,
}

/// A job that the socket waits for.
#[derive(Debug)]
struct Waiting {
    /// When its outcome was last asked for.
    asked: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Being stored: `job_queued` is not sent yet, and an outcome that is faster waits here for it.
    Submitted(Option<Utf8Bytes>),
    /// `job_queued` is in the outbox.
    Queued,
}

/// Whether a socket still waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    Over,
}

/// What a socket has to do.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) messages: VecDeque<Utf8Bytes>,
    pub(super) close: Option<Close>,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            id: ConnectionId::random(),
            wake: Notify::new(),
            overflow: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Puts a message in the outbox. A client that lets it grow over its limit is closed.
    pub(super) fn send(&self, text: Utf8Bytes) {
        self.push(&mut self.lock(), text);
        self.wake.notify_one();
    }

    /// Whether it waits for so many jobs that it may not ask for more before some of them are over.
    pub(super) fn waits_for_too_many(&self) -> bool {
        self.lock().jobs.len() >= JOBS_LIMIT
    }

    /// The job is about to be stored; or it was, and is asked for again.
    pub(super) fn expect(&self, job: JobId) {
        let mut state = self.lock();
        let waiting = state.jobs.entry(job).or_insert(Waiting {
            asked: Instant::now(),
            stage: Stage::Queued,
        });
        if matches!(waiting.stage, Stage::Queued) {
            waiting.stage = Stage::Submitted(None);
        }
    }

    /// The jobs that it waits for.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.lock().jobs.keys().copied().collect()
    }

    /// The job is stored: `text` says so, before anything else about it.
    pub(super) fn queued(&self, job: JobId, text: Utf8Bytes) -> Patience {
        let mut state = self.lock();
        self.push(&mut state, text);
        let outcome = match state.jobs.get_mut(&job) {
            Some(waiting) => match std::mem::replace(&mut waiting.stage, Stage::Queued) {
                Stage::Submitted(outcome) => outcome,
                Stage::Queued => None,
            },
            None => None,
        };
        let patience = match outcome {
            Some(outcome) => {
                state.jobs.remove(&job);
                self.push(&mut state, outcome);
                Patience::Over
            }
            None => Patience::Waits,
        };
        drop(state);
        self.wake.notify_one();
        patience
    }

    /// It does not wait for the job any more.
    pub(super) fn forget(&self, job: JobId) {
        self.lock().jobs.remove(&job);
    }

    /// The job is over, and `text` says how. Heard of twice, it is sent once.
    ///
    /// Where it does not fit, it is left where it is, and asked for again at a later poll.
    pub(super) fn deliver(&self, job: JobId, text: Utf8Bytes) -> Patience {
        let mut state = self.lock();
        let is_full = !state.outbox.is_empty() && state.bytes + text.len() > OUTBOX_FULL;
        match state.jobs.get_mut(&job).map(|waiting| &mut waiting.stage) {
            Some(Stage::Submitted(outcome)) => {
                *outcome = Some(text);
                Patience::Waits
            }
            Some(Stage::Queued) if is_full => Patience::Waits,
            Some(Stage::Queued) => {
                state.jobs.remove(&job);
                self.push(&mut state, text);
                drop(state);
                self.wake.notify_one();
                Patience::Over
            }
            None => Patience::Over,
        }
    }

    /// The jobs whose outcome was not asked for within `patience`, with the time it was last.
    pub(super) fn unheard(&self, patience: Duration) -> Vec<(Instant, JobId)> {
        let state = self.lock();
        let stale = state.jobs.iter().filter(|(_, waiting)| {
            matches!(waiting.stage, Stage::Queued) && waiting.asked.elapsed() >= patience
        });
        stale.map(|(job, waiting)| (waiting.asked, *job)).collect()
    }

    /// The outcome of `job` is being asked for.
    pub(super) fn asked(&self, job: JobId) {
        if let Some(waiting) = self.lock().jobs.get_mut(&job) {
            waiting.asked = Instant::now();
        }
    }

    /// Takes everything there is to do.
    pub(super) fn take(&self) -> Due {
        let mut state = self.lock();
        state.bytes = 0;
        Due {
            messages: std::mem::take(&mut state.outbox),
            close: state.close,
        }
    }

    fn push(&self, state: &mut State, text: Utf8Bytes) {
        if state.close.is_some() {
            return;
        }
        // One message always fits, however large.
        let is_alone = state.outbox.is_empty();
        state.bytes += text.len() + MESSAGE_COST;
        state.outbox.push_back(text);
        if state.bytes > OUTBOX_LIMIT && !is_alone {
            state.outbox = VecDeque::new();
            state.close = Some(Close::TooSlow);
            self.overflow.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nobody panics while holding a connection's state")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const JOB: JobId = JobId(Uuid::nil());

    fn texts(connection: &Connection) -> Vec<String> {
        connection
            .take()
            .messages
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_outcome_that_is_faster_than_its_queued_message_waits_for_it() {
        let connection = Connection::new();
        connection.expect(JOB);
        connection.deliver(JOB, "result".into());
        assert!(texts(&connection).is_empty());
        connection.queued(JOB, "queued".into());
        assert_eq!(texts(&connection), ["queued", "result"]);
    }

    #[test]
    fn an_outcome_heard_of_twice_is_sent_once() {
        let connection = Connection::new();
        connection.expect(JOB);
        connection.queued(JOB, "queued".into());
        connection.deliver(JOB, "result".into());
        connection.deliver(JOB, "result".into());
        assert_eq!(texts(&connection), ["queued", "result"]);
        assert!(connection.unheard(Duration::ZERO).is_empty());
    }

    #[test]
    fn an_outcome_that_does_not_fit_is_left_to_be_asked_for_again() {
        let connection = Connection::new();
        connection.expect(JOB);
        connection.queued(JOB, "x".repeat(OUTBOX_FULL).into());
        connection.deliver(JOB, "result".into());
        assert_eq!(texts(&connection).len(), 1);
        assert_eq!(connection.unheard(Duration::ZERO).len(), 1);
        connection.deliver(JOB, "result".into());
        assert_eq!(texts(&connection), ["result"]);
    }

    #[test]
    fn one_message_always_fits() {
        let connection = Connection::new();
        connection.send("x".repeat(OUTBOX_LIMIT * 2).into());
        let due = connection.take();
        assert_eq!((due.close, due.messages.len()), (None, 1));
    }

    #[test]
    fn an_outcome_that_nobody_asked_for_is_not_sent() {
        let connection = Connection::new();
        connection.deliver(JOB, "result".into());
        assert!(texts(&connection).is_empty());
    }

    #[test]
    fn a_client_that_does_not_read_is_closed_and_its_memory_is_freed() {
        let connection = Connection::new();
        for _ in 0..=OUTBOX_LIMIT / 1024 {
            connection.send("x".repeat(1024).into());
        }
        connection.send("one more".into());
        let due = connection.take();
        assert_eq!((due.close, due.messages.len()), (Some(Close::TooSlow), 0));
    }
}
