//! Which sockets belong to which session.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;

use super::{Here, Hub};
use crate::gateway::connection::Connection;
use crate::ids::{ConnectionId, JobId, SessionId};
use crate::queue::report::Position;
use crate::session::{Seat, Unread};
use crate::wire::Close;

impl Hub {
    /// From now on the socket belongs to a session; of two sockets of that here, the one that took it over first is
    /// closed. Answers the session that it belonged to before.
    pub(in crate::gateway) fn belong(
        &self,
        connection: &Arc<Connection>,
        seat: Seat,
    ) -> Option<Seat> {
        let mut here = self.lock();
        let before = connection.belong(seat);
        if let Some(before) = before {
            here.part(before.session, connection.id);
        }
        let other = here.sessions.get(&seat.session);
        if other
            .and_then(|other| other.seat())
            .is_some_and(|other| other.epoch > seat.epoch)
        {
            // The later one was faster.
            connection.close(Close::TakenOver);
        } else if let Some(earlier) = here.sessions.insert(seat.session, Arc::clone(connection)) {
            earlier.close(Close::TakenOver);
        }
        before.filter(|before| before.session != seat.session)
    }

    /// The socket does not belong to its session after all.
    pub(in crate::gateway) fn part(&self, connection: &Connection) {
        if let Some(seat) = connection.seat() {
            self.lock().part(seat.session, connection.id);
            connection.part();
        }
    }

    /// The session as it was read: `text` says so. Answers which jobs to look at.
    pub(in crate::gateway) fn resumed(
        &self,
        connection: &Arc<Connection>,
        text: Utf8Bytes,
        unread: &Unread,
        have: &HashMap<JobId, Position>,
    ) -> Vec<JobId> {
        let mut here = self.lock();
        for job in unread.jobs() {
            here.askers.add(job, connection);
        }
        connection.resumed(text, unread, have)
    }

    /// A socket of this session elsewhere has a later epoch.
    pub(in crate::gateway) fn taken_over(&self, session: SessionId, epoch: i64) {
        let mut here = self.lock();
        let Some(connection) = here.sessions.get(&session) else {
            return;
        };
        if connection.seat().is_none_or(|seat| seat.epoch < epoch) {
            connection.close(Close::TakenOver);
            here.sessions.remove(&session);
        }
    }

    /// Jobs of a session, as they were just read; answers those that its socket did not know of.
    pub(in crate::gateway) fn found(&self, session: SessionId, unread: &Unread) -> Vec<JobId> {
        let mut here = self.lock();
        let Some(connection) = here.sessions.get(&session).cloned() else {
            return Vec::new();
        };
        let news: Vec<JobId> = unread.jobs().filter(|job| connection.adopt(*job)).collect();
        for job in &news {
            here.askers.add(*job, &connection);
        }
        news
    }

    /// The sessions whose sockets are here.
    pub(in crate::gateway) fn seats(&self) -> Vec<Seat> {
        let here = self.lock();
        here.sessions
            .values()
            .filter_map(|connection| connection.seat())
            .collect()
    }

    /// Those of them of which jobs may still turn up that their socket does not know of.
    pub(in crate::gateway) fn unsettled(&self) -> Vec<SessionId> {
        let here = self.lock();
        let mut sessions: Vec<SessionId> = here.sessions.keys().copied().collect();
        sessions.retain(|session| here.sessions[session].is_unsettled());
        sessions
    }
}

impl Here {
    pub(super) fn part(&mut self, session: SessionId, connection: ConnectionId) {
        if self
            .sessions
            .get(&session)
            .is_some_and(|here| here.id == connection)
        {
            self.sessions.remove(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::gateway::hub::Ended;

    const JOB: JobId = JobId(Uuid::nil());
    const SESSION: SessionId = SessionId(Uuid::nil());

    fn seat(epoch: i64) -> Seat {
        Seat {
            session: SESSION,
            epoch,
            notified: 0,
        }
    }

    fn ended() -> Ended {
        Ended {
            job: JOB,
            session: Some(SESSION),
            text: "result".into(),
        }
    }

    #[test]
    fn what_is_heard_while_a_socket_catches_up_is_looked_at_afterwards() {
        let (hub, [connection, _]) = Hub::with_two();
        hub.belong(&connection, seat(2));
        hub.deliver(&ended());
        hub.notify(1, &"notice".into());
        let look = hub.resumed(
            &connection,
            "resumed".into(),
            &Unread::default(),
            &HashMap::new(),
        );
        assert_eq!(look, [JOB]);
        let asked = connection.behind().unwrap();
        assert_eq!(asked.after, 0);
        // Its time was over.
        connection.catch_up(asked, Vec::new());
        hub.notify(1, &"notice".into());
        hub.deliver(&ended());
        hub.deliver(&ended());
        assert_eq!(connection.texts(), ["resumed", "result"]);
    }

    #[test]
    fn what_was_missed_comes_once_and_counts_until_it_is_acknowledged() {
        let (hub, [connection, _]) = Hub::with_two();
        hub.belong(&connection, seat(1));
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        assert_eq!(
            hub.resumed(&connection, "resumed".into(), &unread, &HashMap::new()),
            [JOB]
        );
        hub.deliver(&ended());
        assert!(hub.found(SESSION, &unread).is_empty());
        hub.deliver(&ended());
        assert_eq!(connection.texts(), ["resumed", "result"]);
        let acknowledged =
            hub.acknowledge(&connection, &[JOB.to_string(), "of another".to_owned()]);
        assert_eq!(acknowledged.unwrap().jobs, [JOB]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn what_an_earlier_socket_was_sent_and_the_client_acknowledges_is_not_sent_again() {
        let (hub, [connection, _]) = Hub::with_two();
        hub.belong(&connection, seat(2));
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        hub.resumed(&connection, "resumed".into(), &unread, &HashMap::new());
        hub.acknowledge(&connection, &[JOB.to_string()]).unwrap();
        hub.deliver(&Ended {
            session: None,
            ..ended()
        });
        assert_eq!(connection.texts(), ["resumed"]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn an_outcome_that_was_read_before_it_was_acknowledged_is_not_sent_again() {
        let (hub, [connection, _]) = Hub::with_two();
        hub.belong(&connection, seat(1));
        hub.resumed(
            &connection,
            "resumed".into(),
            &Unread::default(),
            &HashMap::new(),
        );
        hub.deliver(&ended());
        hub.acknowledge(&connection, &[JOB.to_string()]).unwrap();
        hub.deliver(&ended());
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        assert!(hub.found(SESSION, &unread).is_empty());
        assert_eq!(connection.texts(), ["resumed", "result"]);
    }

    #[test]
    fn only_a_later_socket_ends_an_earlier_one() {
        let (hub, [first, second]) = Hub::with_two();
        hub.belong(&first, seat(1));
        hub.taken_over(SESSION, 1);
        assert_eq!(first.take().close, None);
        hub.belong(&second, seat(2));
        assert_eq!(first.take().close, Some(Close::TakenOver));
        // The earlier one leaves; the session stays.
        hub.leave(&first);
        assert_eq!(hub.seats(), [seat(2)]);
        hub.taken_over(SESSION, 3);
        assert_eq!(second.take().close, Some(Close::TakenOver));
        assert!(hub.seats().is_empty());
    }

    #[test]
    fn a_socket_that_took_a_session_over_later_keeps_it_although_it_was_faster() {
        let (hub, [slow, fast]) = Hub::with_two();
        hub.belong(&fast, seat(3));
        hub.belong(&slow, seat(2));
        assert_eq!(fast.take().close, None);
        assert_eq!(slow.take().close, Some(Close::TakenOver));
        hub.leave(&slow);
        assert_eq!(hub.seats(), [seat(3)]);
    }
}
