//! The session that a socket belongs to: what it has not acknowledged, and how it catches up.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::{Connection, Listening, Notices, Patience, State, Waiting, wake};
use crate::ids::{JobId, SessionId};
use crate::queue::report::Position;
use crate::session::{Seat, Unread};
use crate::wire::MessageId;

/// How many jobs of one session may be unfinished or unacknowledged.
pub(in crate::gateway) const SESSION_LIMIT: usize = 1_000;

/// For how long jobs may turn up that an earlier socket of the session has submitted: as long as its submissions may
/// wait for a database that is away, and some.
const SETTLING: Duration = Duration::from_secs(90);

/// A socket's part in a session.
#[derive(Debug)]
pub(super) struct Belonging {
    seat: Seat,
    since: Instant,
    /// Outcomes that were in the mailbox when it resumed and are still to be sent.
    missed: HashSet<JobId>,
    /// Outcomes that were sent.
    unacknowledged: HashSet<JobId>,
    /// The last that were acknowledged: an outcome that was read just before that is not sent again. As many as may be
    /// unacknowledged when it is read.
    acknowledged: VecDeque<JobId>,
    /// While it reads what it has missed: the jobs that were heard of meanwhile, which it asks for afterwards.
    catching_up: Option<HashSet<JobId>>,
}

/// What a client has said it has.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Acknowledged {
    pub(in crate::gateway) session: SessionId,
    pub(in crate::gateway) jobs: Vec<JobId>,
    pub(in crate::gateway) notice: Option<i64>,
    /// Those of the jobs that this socket was still to be sent.
    pub(in crate::gateway) unsent: Vec<JobId>,
}

impl Belonging {
    fn new(seat: Seat) -> Self {
        Self {
            seat,
            since: Instant::now(),
            missed: HashSet::new(),
            unacknowledged: HashSet::new(),
            acknowledged: VecDeque::new(),
            catching_up: Some(HashSet::new()),
        }
    }

    /// How many outcomes are unacknowledged.
    pub(super) fn unread(&self) -> usize {
        self.unacknowledged.len()
    }

    /// Whether it has not read yet what it has missed.
    pub(super) fn is_catching_up(&self) -> bool {
        self.catching_up.is_some()
    }

    /// Whether the outcome of a job was sent, as far as this is remembered.
    fn has(&self, job: JobId) -> bool {
        self.unacknowledged.contains(&job) || self.acknowledged.contains(&job)
    }

    /// The client has the outcome of a job; one that it was not sent cannot be meant.
    fn acknowledge(&mut self, job: JobId) {
        if !self.unacknowledged.remove(&job) {
            return;
        }
        self.acknowledged.push_back(job);
        if self.acknowledged.len() > SESSION_LIMIT {
            self.acknowledged.pop_front();
        }
    }

    /// The outcome of a job was sent.
    pub(super) fn sent(&mut self, job: JobId) {
        self.missed.remove(&job);
        self.unacknowledged.insert(job);
    }
}

impl Connection {
    /// The session that it belongs to.
    pub(in crate::gateway) fn seat(&self) -> Option<Seat> {
        self.lock().session.as_ref().map(|session| session.seat)
    }

    /// From now on it belongs to a session, and catches up; answers the one that it belonged to before.
    pub(in crate::gateway) fn belong(&self, seat: Seat) -> Option<Seat> {
        let mut state = self.lock();
        state.notices = Notices::behind(seat.notified);
        let before = state.session.replace(Belonging::new(seat));
        before.map(|session| session.seat)
    }

    /// It does not belong to its session after all.
    pub(in crate::gateway) fn part(&self) {
        self.lock().session = None;
    }

    /// The session as it was read: `text` says so, before anything that was missed. Answers which jobs to look at.
    ///
    /// It listens to the jobs that are not over, and to those of the others of whose text it says what it has.
    pub(in crate::gateway) fn resumed(
        &self,
        text: Utf8Bytes,
        unread: &Unread,
        have: &HashMap<JobId, Position>,
    ) -> Vec<JobId> {
        let mut state = self.lock();
        state.outbox.push(text);
        for job in &unread.finished {
            let waiting = state.jobs.entry(*job).or_insert_with(Waiting::queued);
            if let Some(at) = have.get(job) {
                waiting.listening = Some(Listening::from(*at));
            }
        }
        for pending in &unread.pending {
            let at = have.get(&pending.id).copied().unwrap_or_default();
            let waiting = state.jobs.entry(pending.id);
            let waiting = waiting.or_insert_with(Waiting::queued);
            waiting.listening.get_or_insert_with(|| Listening::from(at));
        }
        let mut look: Vec<JobId> = unread.jobs().collect();
        if let Some(session) = &mut state.session {
            session.missed.extend(&unread.finished);
            look.extend(session.catching_up.take().into_iter().flatten());
        }
        wake(state);
        look
    }

    /// A job of its session is over that it did not ask for itself: an earlier socket did.
    pub(in crate::gateway) fn deliver_to_session(&self, job: JobId, text: Utf8Bytes) -> Patience {
        let mut state = self.lock();
        match &mut state.session {
            None => return Patience::Over,
            Some(session) => {
                if let Some(heard) = &mut session.catching_up {
                    heard.insert(job);
                    return Patience::Over;
                }
                if session.has(job) {
                    return Patience::Over;
                }
            }
        }
        state.jobs.entry(job).or_insert_with(Waiting::queued);
        let patience = state.hand_over(job, text);
        wake(state);
        patience
    }

    /// The client says that it has these messages; answers what there is to forget.
    pub(in crate::gateway) fn acknowledge(&self, ids: &[String]) -> Option<Acknowledged> {
        let mut state = self.lock();
        let State {
            session,
            jobs,
            notices,
            ..
        } = &mut *state;
        let session = session.as_mut()?;
        let mut acknowledged = Acknowledged {
            session: session.seat.session,
            jobs: Vec::new(),
            notice: None,
            unsent: Vec::new(),
        };
        for id in ids {
            match MessageId::parse(id) {
                Some(MessageId::Outcome(job)) => {
                    session.acknowledge(job);
                    if session.missed.remove(&job) && jobs.remove(&job).is_some() {
                        acknowledged.unsent.push(job);
                    }
                    acknowledged.jobs.push(job);
                }
                // Not beyond what it was sent: a number that is to come must not be passed over.
                Some(MessageId::Notice(number)) if number <= notices.sent() => {
                    acknowledged.notice = acknowledged.notice.max(Some(number));
                }
                Some(MessageId::Notice(_)) | None => {}
            }
        }
        Some(acknowledged)
    }

    /// It waits for a job of its session that an earlier socket asked for; answers whether that is new to it.
    pub(in crate::gateway) fn adopt(&self, job: JobId) -> bool {
        let mut state = self.lock();
        let is_known = state
            .session
            .as_ref()
            .is_none_or(|session| session.catching_up.is_some() || session.has(job));
        if is_known || state.jobs.contains_key(&job) {
            return false;
        }
        let waiting = Waiting::listening();
        state.jobs.insert(job, waiting);
        true
    }

    /// Whether jobs of its session may still turn up that it does not know of.
    pub(in crate::gateway) fn is_unsettled(&self) -> bool {
        let state = self.lock();
        let session = state.session.as_ref();
        session.is_some_and(|session| session.since.elapsed() < SETTLING)
    }
}
