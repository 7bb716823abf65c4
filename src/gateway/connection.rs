//! One socket as the rest of the gateway sees it: an outbox, the jobs it waits for, and its session.

mod belonging;
mod listening;
mod notices;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::outbox::{FULL, Outbox};
use crate::auth::Identity;
use crate::ids::{ConnectionId, JobId};
use crate::wire::{Close, ErrorItem};

use belonging::Belonging;
pub(super) use belonging::{Acknowledged, SESSION_LIMIT};
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

/// A job that the socket waits for.
#[derive(Debug)]
struct Waiting {
    /// When its outcome was last asked for.
    asked: Instant,
    stage: Stage,
    /// Where it is in the job's text, if it wants to hear of the job while that runs.
    listening: Option<Listening>,
}

#[derive(Debug)]
enum Stage {
    /// Being stored, or being cancelled: the answer is not sent yet, and an outcome that is faster waits here for it.
    Submitted(Option<Utf8Bytes>),
    /// The answer is in the outbox.
    Queued,
}

/// Whether a socket still waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    Over,
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

    /// The job is about to be stored; or it was, and is asked for again.
    pub(super) fn expect(&self, job: JobId, listens: Listens) {
        let mut state = self.lock();
        let has_session = state.session.is_some();
        let waiting = state.jobs.entry(job).or_insert_with(Waiting::queued);
        if has_session || listens == Listens::Yes {
            let listening = waiting.listening.get_or_insert_default();
            if listens == Listens::Yes {
                listening.ask();
            }
        }
        if matches!(waiting.stage, Stage::Queued) {
            waiting.stage = Stage::Submitted(None);
        }
    }

    /// The jobs that it waits for.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.lock().jobs.keys().copied().collect()
    }

    /// The jobs are stored, or asked to end: `text` says so, before anything else about them. Answers those that it does
    /// not wait for any more.
    pub(super) fn queued(&self, jobs: &[JobId], text: Utf8Bytes) -> Vec<JobId> {
        let mut state = self.lock();
        state.outbox.push(text);
        let mut over = jobs.to_vec();
        over.retain(|job| state.make_known(*job) == Patience::Over);
        wake(state);
        over
    }

    /// Something is about to be said of the job; if it waits for it, an outcome that is faster waits until it is.
    /// Answers whether it does.
    pub(super) fn hold(&self, job: JobId) -> bool {
        let mut state = self.lock();
        let waiting = state.jobs.get_mut(&job);
        let is_queued = |waiting: &&mut Waiting| matches!(waiting.stage, Stage::Queued);
        let Some(waiting) = waiting.filter(is_queued) else {
            return false;
        };
        waiting.stage = Stage::Submitted(None);
        true
    }

    /// It does not wait for the job any more.
    pub(super) fn forget(&self, job: JobId) {
        self.lock().jobs.remove(&job);
    }

    /// The job is over, and `text` says how. Heard of twice, it is sent once.
    ///
    /// Where it does not fit, it is left where it is, and asked for again when there is room.
    pub(super) fn deliver(&self, job: JobId, text: Utf8Bytes) -> Patience {
        let mut state = self.lock();
        let patience = match state.jobs.get_mut(&job).map(|waiting| &mut waiting.stage) {
            Some(Stage::Submitted(outcome)) => {
                *outcome = Some(text);
                Patience::Waits
            }
            Some(Stage::Queued) => state.hand_over(job, text),
            None => Patience::Over,
        };
        wake(state);
        patience
    }

    /// The jobs whose outcome was not asked for within `patience`, with the time it was last.
    pub(super) fn unheard(&self, patience: Duration) -> Vec<(Instant, JobId)> {
        let state = self.lock();
        if !state.skipped.is_empty() && !state.outbox.is_empty() {
            // There is no room; whoever makes some asks then.
            return Vec::new();
        }
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

    /// As many of the outcomes that found no room as fit into an empty outbox.
    fn take_skipped(&mut self) -> Vec<JobId> {
        let mut size = 0;
        let fits = self.skipped.iter().take_while(|(_, needed)| {
            let is_first = size == 0;
            size += needed;
            is_first || size <= FULL
        });
        let fits = fits.count();
        let jobs: Vec<JobId> = self.skipped.drain(..fits).map(|(job, _)| job).collect();
        for job in &jobs {
            let waiting = self.jobs.get_mut(job);
            if let Some(listening) = waiting.and_then(|waiting| waiting.listening.as_mut()) {
                listening.go_on();
            }
        }
        jobs
    }

    /// The client is told of a job: an outcome that was faster may be sent from now on.
    fn make_known(&mut self, job: JobId) -> Patience {
        let Self { jobs, skipped, .. } = self;
        let outcome = jobs.get_mut(&job).and_then(|waiting| {
            let stage = std::mem::replace(&mut waiting.stage, Stage::Queued);
            let Stage::Submitted(outcome) = stage else {
                return None;
            };
            let early = waiting
                .listening
                .as_mut()
                .filter(|listening| listening.was_early());
            let Some(listening) = early else {
                return outcome;
            };
            // What it has said already comes before its outcome: both are looked at again.
            listening.wait();
            skipped.push_back((job, 0));
            None
        });
        match outcome {
            Some(outcome) => self.hand_over(job, outcome),
            None => Patience::Waits,
        }
    }

    /// Whether it has a session and has not read it yet.
    fn is_resuming(&self) -> bool {
        self.session.as_ref().is_some_and(Belonging::is_catching_up)
    }

    /// Sends the outcome of a job that the socket waits for, if there is room.
    fn hand_over(&mut self, job: JobId, text: Utf8Bytes) -> Patience {
        if self.jobs.get(&job).is_some_and(Waiting::is_behind) {
            // It is looked at again when there is room for its text.
            return Patience::Waits;
        }
        if self.outbox.is_full_for(text.len()) {
            self.skipped.push_back((job, text.len()));
            return Patience::Waits;
        }
        self.jobs.remove(&job);
        if let Some(session) = &mut self.session {
            session.sent(job);
        }
        self.outbox.push(text);
        Patience::Over
    }
}

impl Waiting {
    fn queued() -> Self {
        Self {
            asked: Instant::now(),
            stage: Stage::Queued,
            listening: None,
        }
    }

    /// The same, of a job of the session.
    fn listening() -> Self {
        Self {
            listening: Some(Listening::default()),
            ..Self::queued()
        }
    }

    fn is_behind(&self) -> bool {
        self.listening.as_ref().is_some_and(Listening::is_behind)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const JOB: JobId = JobId(Uuid::nil());

    #[test]
    fn an_outcome_that_is_faster_than_its_queued_message_waits_for_it() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::No);
        connection.deliver(JOB, "result".into());
        assert!(connection.texts().is_empty());
        connection.queued(&[JOB], "queued".into());
        assert_eq!(connection.texts(), ["queued", "result"]);
    }

    #[test]
    fn an_outcome_heard_of_twice_is_sent_once() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::No);
        connection.queued(&[JOB], "queued".into());
        connection.deliver(JOB, "result".into());
        connection.deliver(JOB, "result".into());
        assert_eq!(connection.texts(), ["queued", "result"]);
        assert!(connection.unheard(Duration::ZERO).is_empty());
    }

    #[test]
    fn an_outcome_that_does_not_fit_is_asked_for_again_when_there_is_room() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::No);
        connection.queued(&[JOB], "x".repeat(FULL).into());
        connection.deliver(JOB, "result".into());
        assert!(
            connection.unheard(Duration::ZERO).is_empty(),
            "there is no room"
        );
        let due = connection.take();
        assert_eq!((due.messages.len(), due.skipped), (1, vec![JOB]));
        assert_eq!(connection.unheard(Duration::ZERO).len(), 1);
        connection.deliver(JOB, "result".into());
        assert_eq!(connection.texts(), ["result"]);
    }

    #[test]
    fn outcomes_that_do_not_fit_are_asked_for_in_portions() {
        let connection = Connection::anyones();
        connection.send("x".repeat(FULL).into());
        let jobs = [1, 2, 3, 4, 5].map(|number| JobId(Uuid::from_u128(number)));
        for job in jobs {
            connection.expect(job, Listens::No);
            connection.queued(&[job], "queued".into());
            connection.deliver(job, "x".repeat(FULL / 2).into());
        }
        assert_eq!(connection.take().skipped, jobs[..2]);
        assert_eq!(connection.take().skipped, jobs[2..4]);
        assert_eq!(connection.take().skipped, jobs[4..]);
        assert!(connection.take().skipped.is_empty());
    }

    #[test]
    fn what_found_no_room_is_asked_for_again_also_when_nothing_came_of_the_portion_before() {
        let connection = Connection::anyones();
        connection.send("x".repeat(FULL).into());
        let jobs = [1, 2].map(|number| JobId(Uuid::from_u128(number)));
        for job in jobs {
            connection.expect(job, Listens::No);
            connection.queued(&[job], "queued".into());
            connection.deliver(job, "x".repeat(FULL).into());
        }
        let is_due = || {
            connection
                .poll_due(&Context::from_waker(Waker::noop()))
                .is_ready()
        };
        assert_eq!(connection.take().skipped, jobs[..1]);
        assert!(!is_due(), "one portion at a time");
        connection.forget(jobs[0]);
        connection.deliver(jobs[0], "it was acknowledged meanwhile".into());
        assert!(is_due());
        assert_eq!(connection.take().skipped, jobs[1..]);
        assert!(!is_due());
    }

    #[test]
    fn an_outcome_that_nobody_asked_for_is_not_sent() {
        let connection = Connection::anyones();
        connection.deliver(JOB, "result".into());
        assert!(connection.texts().is_empty());
    }
}
