//! One socket as the rest of the gateway sees it: an outbox, the jobs it waits for, and its session.

mod belonging;
mod jobs;
mod listening;
mod notices;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use axum::extract::ws::Utf8Bytes;

use super::outbox::Outbox;
use crate::auth::Identity;
use crate::ids::{ConnectionId, JobId};
use crate::wire::{Close, ErrorItem};

use belonging::Belonging;
pub(super) use belonging::{Acknowledged, SESSION_LIMIT};
pub(super) use jobs::Patience;
use jobs::{Stage, Waiting};
use listening::Listening;
pub(super) use listening::{Listens, Look};
pub(super) use notices::Behind;
use notices::Notices;

/// How many jobs one socket may wait for: what is remembered of them is in memory.
const JOBS_LIMIT: usize = 50_000;

/// One open socket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    identity: Arc<Identity>,
    outbox: Outbox,
    /// The gateway is stopping.
    stopping: bool,
    /// The socket's task, where it has found nothing to do and waits.
    waiting: Option<Waker>,
    /// Something has happened since outcomes were last asked for again, and there are more that found no room.
    stirred: bool,
    jobs: HashMap<JobId, Waiting>,
    /// Outcomes that found no room, and how much they need; to be asked for again when there is some.
    skipped: VecDeque<(JobId, usize)>,
    notices: Notices,
    session: Option<Belonging>,
}

/// What a socket that waits is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// There is something to write, or the socket is to be closed.
    Write,
    /// The gateway is stopping.
    Stop,
}

/// What a socket has to do.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) messages: VecDeque<Utf8Bytes>,
    pub(super) close: Option<Close>,
    /// Outcomes to be asked for again, now that there is room.
    pub(super) skipped: Vec<JobId>,
}

impl Connection {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self {
            id: ConnectionId::random(),
            state: Mutex::new(State {
                identity,
                outbox: Outbox::default(),
                stopping: false,
                waiting: None,
                stirred: false,
                jobs: HashMap::new(),
                skipped: VecDeque::new(),
                notices: Notices::default(),
                session: None,
            }),
        }
    }

    #[cfg(test)]
    pub(super) fn anyones() -> Self {
        Self::new(Arc::new(Identity::anyone()))
    }

    /// Whose it is.
    pub(super) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.lock().identity)
    }

    /// Whose it is from now on.
    pub(super) fn renew(&self, identity: Arc<Identity>) {
        self.lock().identity = identity;
    }

    /// Puts a message in the outbox. A client that lets it grow over its limit is closed.
    pub(super) fn send(&self, text: Utf8Bytes) {
        let mut state = self.lock();
        state.outbox.push(text);
        wake(state);
    }

    /// Ends the socket.
    pub(super) fn close(&self, why: Close) {
        let mut state = self.lock();
        state.outbox.close(why);
        wake(state);
    }

    /// The gateway is stopping: the socket is to be wound down.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        wake(state);
    }

    /// Waits for a call.
    pub(super) fn poll_call(&self, cx: &Context<'_>) -> Poll<Call> {
        self.poll(cx, |state| {
            if state.is_due() {
                return Some(Call::Write);
            }
            state.stopping.then_some(Call::Stop)
        })
    }

    /// Waits until there is something to write, or the socket is to be closed.
    pub(super) fn poll_due(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll(cx, |state| state.is_due().then_some(()))
    }

    /// Waits until the socket is to be closed.
    pub(super) fn poll_close(&self, cx: &Context<'_>) -> Poll<Close> {
        self.poll(cx, |state| state.outbox.closed())
    }

    /// Waits until there is an answer. Only the socket's own task may wait: it is the one that is woken.
    fn poll<T>(&self, cx: &Context<'_>, answer: impl FnOnce(&State) -> Option<T>) -> Poll<T> {
        let mut state = self.lock();
        match (answer(&state), &mut state.waiting) {
            (Some(answer), _) => return Poll::Ready(answer),
            (None, Some(waiting)) => waiting.clone_from(cx.waker()),
            (None, waiting) => *waiting = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Why it may not ask for so many more jobs before some are over, if that is so.
    pub(super) fn is_busy(&self, more: usize) -> Option<ErrorItem> {
        let state = self.lock();
        let unread = state.session.as_ref().map(Belonging::unread);
        match unread {
            Some(unread) if unread + state.jobs.len() + more > SESSION_LIMIT => {
                Some(ErrorItem::mailbox_full(SESSION_LIMIT))
            }
            _ if state.jobs.len() + more > JOBS_LIMIT => Some(ErrorItem::busy()),
            _ => None,
        }
    }

    /// Takes everything there is to do.
    pub(super) fn take(&self) -> Due {
        let mut state = self.lock();
        let (messages, close) = state.outbox.take();
        state.stirred = false;
        Due {
            messages,
            close,
            skipped: state.take_skipped(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nobody panics while holding a connection's state")
    }
}

/// Wakes the socket's task, if that waits.
fn wake(mut state: MutexGuard<'_, State>) {
    // They are asked for portion by portion, the next one when something has come of the one before.
    state.stirred |= !state.skipped.is_empty();
    let waiting = state.waiting.take();
    drop(state);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

#[cfg(test)]
impl Connection {
    /// The messages that are to be written now.
    pub(super) fn texts(&self) -> Vec<String> {
        let messages = self.take().messages;
        messages.iter().map(ToString::to_string).collect()
    }
}

impl State {
    fn is_due(&self) -> bool {
        !self.outbox.is_empty() || self.outbox.closed().is_some() || self.stirred
    }

    /// Whether it has a session and has not read it yet.
    fn is_resuming(&self) -> bool {
        self.session.as_ref().is_some_and(Belonging::is_catching_up)
    }
}
