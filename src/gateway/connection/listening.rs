//! Hearing of a job while it runs: how far it is, and its text piece by piece.

use axum::extract::ws::Utf8Bytes;

use super::{Connection, Stage, State, wake};
use crate::ids::JobId;
use crate::queue::report::Position;

/// Whether a socket wants to hear of a job while that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Listens {
    Yes,
    No,
}

/// Why a job is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Look {
    /// It has said something.
    Said,
    /// It may be over; most jobs say nothing before.
    Over,
}

/// Where a socket is in the text of a job.
#[derive(Debug, Default)]
pub(super) struct Listening {
    at: Position,
    /// The client has asked for it, and does not just have a session.
    is_asked_for: bool,
    /// It was looked at before the client knew of the job.
    early: bool,
    pace: Pace,
    /// The last progress that was sent.
    progress: Option<Utf8Bytes>,
}

/// Whether a socket has been sent everything that a job has said, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pace {
    #[default]
    Level,
    /// It has not, and there is no room: it is looked at again when there is some.
    Waits,
    /// It may not have been, and is being looked at.
    Looked,
}

impl Listening {
    /// From a position on that the client has named. It is looked at first: an outcome that was just read for somebody else
    /// would come before the text.
    pub(super) fn from(at: Position) -> Self {
        Self {
            at,
            is_asked_for: true,
            pace: Pace::Looked,
            ..Self::default()
        }
    }

    pub(super) fn ask(&mut self) {
        self.is_asked_for = true;
    }

    /// Whether there may be a text that the client was not sent because it did not know of the job.
    pub(super) fn was_early(&self) -> bool {
        self.early
    }

    /// Whether it is worth looking for a text.
    fn expects(&self, look: Look) -> bool {
        match look {
            Look::Said => true,
            // One that is behind gets no outcome before it was looked at.
            Look::Over => self.is_asked_for || self.at != Position::default() || self.is_behind(),
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.pace != Pace::Level
    }

    /// It waits until it is looked at again.
    pub(super) fn wait(&mut self) {
        self.pace = Pace::Waits;
    }

    /// There is room: what waits is being looked at.
    pub(super) fn go_on(&mut self) {
        if self.pace == Pace::Waits {
            self.pace = Pace::Looked;
        }
    }
}

impl Connection {
    /// Where it is in the text of a job, if it listens and has room.
    pub(in crate::gateway) fn listens(&self, job: JobId, look: Look) -> Option<Position> {
        let mut state = self.lock();
        let waiting = state.jobs.get_mut(&job)?;
        let listening = waiting.listening.as_mut()?;
        if !listening.expects(look) {
            return None;
        }
        if matches!(waiting.stage, Stage::Submitted(_)) {
            listening.early = true;
            return None;
        }
        (listening.pace != Pace::Waits).then_some(listening.at)
    }

    /// The pieces of a job's text after `from`; those that it has are not sent again, and those that do not fit stay in
    /// the table.
    pub(in crate::gateway) fn say(
        &self,
        job: JobId,
        from: Position,
        chunks: &[(Position, Utf8Bytes)],
    ) {
        let mut state = self.lock();
        let State {
            outbox,
            jobs,
            skipped,
            ..
        } = &mut *state;
        let Some(waiting) = jobs.get_mut(&job) else {
            return;
        };
        let (Stage::Queued, Some(listening)) = (&waiting.stage, &mut waiting.listening) else {
            return;
        };
        if listening.pace == Pace::Waits || listening.at < from {
            // This was read for another, that has more of it than this one.
            return;
        }
        for (at, text) in chunks {
            if *at <= listening.at {
                continue;
            }
            if outbox.is_full_for(text.len()) {
                listening.wait();
                skipped.push_back((job, text.len()));
                break;
            }
            listening.at = *at;
            outbox.push(text.clone());
        }
        wake(state);
    }

    /// A job has said nothing after `last`, as far as is known.
    pub(in crate::gateway) fn said_all(&self, job: JobId, last: Position) {
        let mut state = self.lock();
        let waiting = state.jobs.get_mut(&job);
        if let Some(listening) = waiting.and_then(|waiting| waiting.listening.as_mut())
            && listening.pace == Pace::Looked
            && listening.at >= last
        {
            listening.pace = Pace::Level;
        }
    }

    /// How far a job is. Who has no room for it hears of a later one.
    pub(in crate::gateway) fn progress(&self, job: JobId, text: &Utf8Bytes) {
        let mut state = self.lock();
        let State { outbox, jobs, .. } = &mut *state;
        let Some(waiting) = jobs.get_mut(&job) else {
            return;
        };
        let (Stage::Queued, Some(listening)) = (&waiting.stage, &mut waiting.listening) else {
            return;
        };
        let is_news = listening.progress.as_ref() != Some(text);
        if !is_news || listening.is_behind() || outbox.is_full_for(text.len()) {
            return;
        }
        listening.progress = Some(text.clone());
        outbox.push(text.clone());
        wake(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use uuid::Uuid;

    use super::super::super::outbox::FULL;
    use super::super::Patience;
    use super::*;
    use crate::ids::SessionId;
    use crate::session::{Seat, Unread};

    const JOB: JobId = JobId(Uuid::nil());
    const BEGINNING: Position = Position { attempt: 0, seq: 0 };

    fn chunk(seq: i32, text: &str) -> (Position, Utf8Bytes) {
        (Position { attempt: 1, seq }, text.into())
    }

    fn listening() -> Connection {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::Yes);
        let early = connection.listens(JOB, Look::Over);
        assert_eq!(early, None, "it is not queued yet");
        connection.queued(&[JOB], "queued".into());
        let due = connection.take();
        assert_eq!((due.messages.len(), due.skipped), (1, vec![JOB]));
        let at = connection.listens(JOB, Look::Over);
        assert_eq!(at, Some(Position::default()));
        connection.said_all(JOB, Position::default());
        connection
    }

    #[test]
    fn an_outcome_waits_until_the_text_has_been_looked_at() {
        let connection = listening();
        let large = "x".repeat(FULL);
        connection.say(JOB, BEGINNING, &[chunk(1, &large), chunk(2, "b")]);
        assert_eq!(connection.take().skipped, [JOB]);
        // There is room now, and the text is not there yet.
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Waits);
        // What was read for another begins too late for this one.
        let later = Position { attempt: 1, seq: 2 };
        connection.say(JOB, later, &[chunk(3, "c")]);
        connection.said_all(JOB, Position { attempt: 1, seq: 3 });
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Waits);
        connection.say(JOB, BEGINNING, &[chunk(2, "b"), chunk(3, "c")]);
        connection.said_all(JOB, Position { attempt: 1, seq: 3 });
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Over);
        assert_eq!(connection.texts(), ["b", "c", "result"]);
    }

    fn of_a_session() -> Connection {
        let connection = Connection::anyones();
        connection.belong(Seat {
            session: SessionId(Uuid::nil()),
            epoch: 1,
            notified: 0,
        });
        connection
    }

    #[test]
    fn an_outcome_that_was_read_for_another_waits_for_the_text_that_is_missing() {
        let connection = of_a_session();
        let unread = Unread {
            finished: vec![JOB],
            ..Unread::default()
        };
        let first = Position { attempt: 1, seq: 1 };
        connection.resumed("resumed".into(), &unread, &HashMap::from([(JOB, first)]));
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Waits);
        assert_eq!(connection.listens(JOB, Look::Over), Some(first));
        connection.say(JOB, first, &[chunk(2, "b")]);
        connection.said_all(JOB, Position { attempt: 1, seq: 2 });
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Over);
        assert_eq!(connection.texts(), ["resumed", "b", "result"]);
    }

    #[test]
    fn a_job_of_a_session_that_spoke_before_it_was_queued_gives_its_outcome() {
        let connection = of_a_session();
        connection.resumed("resumed".into(), &Unread::default(), &HashMap::new());
        connection.expect(JOB, Listens::No);
        assert_eq!(connection.listens(JOB, Look::Said), None);
        connection.deliver(JOB, "result".into());
        connection.queued(&[JOB], "queued".into());
        assert_eq!(connection.texts(), ["resumed", "queued"]);
        let at = connection.listens(JOB, Look::Over);
        assert_eq!(at, Some(Position::default()));
        connection.said_all(JOB, Position::default());
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Over);
        assert_eq!(connection.texts(), ["result"]);
    }

    #[test]
    fn a_job_that_has_said_nothing_costs_no_look() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::Yes);
        connection.queued(&[JOB], "queued".into());
        assert!(connection.take().skipped.is_empty());
        connection.deliver(JOB, "result".into());
        assert_eq!(connection.texts(), ["result"]);
    }

    #[test]
    fn pieces_come_once_in_their_order_and_a_higher_attempt_starts_again() {
        let connection = listening();
        connection.say(JOB, BEGINNING, &[chunk(1, "a"), chunk(2, "b")]);
        connection.say(
            JOB,
            BEGINNING,
            &[chunk(1, "a"), chunk(2, "b"), chunk(3, "c")],
        );
        let again = Position { attempt: 2, seq: 1 };
        connection.say(JOB, BEGINNING, &[(again, "d".into())]);
        connection.say(JOB, BEGINNING, &[chunk(4, "late")]);
        assert_eq!(connection.texts(), ["a", "b", "c", "d"]);
        assert_eq!(connection.listens(JOB, Look::Over), Some(again));
    }

    #[test]
    fn who_has_no_room_gets_the_rest_and_then_the_outcome() {
        let connection = listening();
        let large = "x".repeat(FULL);
        connection.say(JOB, BEGINNING, &[chunk(1, &large), chunk(2, &large)]);
        let full = connection.listens(JOB, Look::Said);
        assert_eq!(full, None, "there is no room");
        connection.progress(JOB, &"half".into());
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Waits);
        let due = connection.take();
        assert_eq!((due.messages.len(), due.skipped), (1, vec![JOB]));
        connection.say(JOB, BEGINNING, &[chunk(1, &large), chunk(2, "b")]);
        connection.said_all(JOB, Position { attempt: 1, seq: 2 });
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Over);
        assert_eq!(connection.texts(), ["b", "result"]);
    }

    #[test]
    fn a_progress_is_sent_when_it_is_news() {
        let connection = listening();
        for text in ["half", "half", "whole"] {
            connection.progress(JOB, &text.into());
        }
        assert_eq!(connection.texts(), ["half", "whole"]);
    }

    #[test]
    fn an_outcome_without_a_text_waits_for_room_alone() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::Yes);
        connection.queued(&[JOB], "x".repeat(FULL).into());
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Waits);
        assert_eq!(connection.take().skipped, [JOB]);
        assert_eq!(connection.deliver(JOB, "result".into()), Patience::Over);
        assert_eq!(connection.texts(), ["result"]);
    }

    #[test]
    fn who_does_not_listen_hears_only_the_outcome() {
        let connection = Connection::anyones();
        connection.expect(JOB, Listens::No);
        connection.queued(&[JOB], "queued".into());
        assert_eq!(connection.listens(JOB, Look::Said), None);
        connection.say(JOB, BEGINNING, &[chunk(1, "a")]);
        connection.progress(JOB, &"half".into());
        connection.deliver(JOB, "result".into());
        assert_eq!(connection.texts(), ["queued", "result"]);
    }
}
