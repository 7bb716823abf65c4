//! The jobs that a socket waits for, from when they are asked for until their outcomes are in its outbox.

use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::{Connection, Listening, Listens, State, wake};
use crate::gateway::outbox::FULL;
use crate::ids::JobId;

/// A job that the socket waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When its outcome was last asked for.
    asked: Instant,
    pub(super) stage: Stage,
    /// Where it is in the job's text, if it wants to hear of the job while that runs.
    pub(super) listening: Option<Listening>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Being stored, or being cancelled: the answer is not sent yet, and an outcome that is faster waits here for it.
    Submitted(Option<Utf8Bytes>),
    /// The answer is in the outbox.
    Queued,
}

/// Whether a socket still waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Patience {
    Waits,
    /// It has the outcome, and sends it right after the answer that is to come before.
    Holds,
    Over,
}

impl Connection {
    /// The job is about to be stored; or it was, and is asked for again.
    pub(in crate::gateway) fn expect(&self, job: JobId, listens: Listens) {
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
    pub(in crate::gateway) fn jobs(&self) -> Vec<JobId> {
        self.lock().jobs.keys().copied().collect()
    }

    /// The jobs are stored, or asked to end: `text` says so, before anything else about them. Answers those that it does
    /// not wait for any more.
    pub(in crate::gateway) fn queued(&self, jobs: &[JobId], text: Utf8Bytes) -> Vec<JobId> {
        let mut state = self.lock();
        state.outbox.push(text);
        let mut over = jobs.to_vec();
        over.retain(|job| state.make_known(*job) == Patience::Over);
        wake(state);
        over
    }

    /// Something is about to be said of the job; if it waits for it, an outcome that is faster waits until it is.
    /// Answers whether it does.
    pub(in crate::gateway) fn hold(&self, job: JobId) -> bool {
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
    pub(in crate::gateway) fn forget(&self, job: JobId) {
        self.lock().jobs.remove(&job);
    }

    /// The job is over, and `text` says how. Heard of twice, it is sent once.
    ///
    /// Where it does not fit, it is left where it is, and asked for again when there is room.
    pub(in crate::gateway) fn deliver(&self, job: JobId, text: Utf8Bytes) -> Patience {
        let mut state = self.lock();
        let patience = match state.jobs.get_mut(&job).map(|waiting| &mut waiting.stage) {
            Some(Stage::Submitted(outcome)) => match outcome.replace(text) {
                None => Patience::Holds,
                Some(_) => Patience::Waits,
            },
            Some(Stage::Queued) => state.hand_over(job, text),
            None => Patience::Over,
        };
        wake(state);
        patience
    }

    /// The jobs whose outcome was not asked for within `patience`, with the time it was last.
    pub(in crate::gateway) fn unheard(&self, patience: Duration) -> Vec<(Instant, JobId)> {
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
    pub(in crate::gateway) fn asked(&self, job: JobId) {
        if let Some(waiting) = self.lock().jobs.get_mut(&job) {
            waiting.asked = Instant::now();
        }
    }
}

impl State {
    /// As many of the outcomes that found no room as fit into an empty outbox.
    pub(super) fn take_skipped(&mut self) -> Vec<JobId> {
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

    /// Sends the outcome of a job that the socket waits for, if there is room.
    pub(super) fn hand_over(&mut self, job: JobId, text: Utf8Bytes) -> Patience {
        if self.jobs.get(&job).is_some_and(Waiting::is_behind) {
            // It comes with the next look at its text, which is under way, or waits for room.
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
    pub(super) fn queued() -> Self {
        Self {
            asked: Instant::now(),
            stage: Stage::Queued,
            listening: None,
        }
    }

    /// The same, of a job of the session.
    pub(super) fn listening() -> Self {
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
    use std::task::{Context, Waker};

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
