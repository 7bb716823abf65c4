//! Who is here: the open sockets, and how a message finds its own.

mod ends;
mod listening;
mod sessions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::connection::{Acknowledged, Connection, Listens, Patience};
use crate::ids::{ConnectionId, JobId, SessionId};
use crate::telemetry::FIGURES;

use ends::Ends;

/// The open sockets of this gateway. All of them are in the group `system`.
#[derive(Debug, Default)]
pub(super) struct Hub {
    here: Mutex<Here>,
}

#[derive(Debug, Default)]
struct Here {
    connections: HashMap<ConnectionId, Arc<Connection>>,
    /// Who waits for a job: as a rule one socket, more where it was submitted again.
    askers: HashMap<JobId, Vec<Arc<Connection>>>,
    /// The sockets that belong to a session.
    sessions: HashMap<SessionId, Arc<Connection>>,
    /// When the tokens of sockets end, the next first.
    ends: Ends,
    stopping: bool,
}

/// How a job ended, for those who wait for it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) job: JobId,
    /// Its session, where that has not acknowledged it.
    pub(super) session: Option<SessionId>,
    pub(super) text: Utf8Bytes,
}

impl Hub {
    pub(super) fn join(&self, connection: &Arc<Connection>) {
        let mut here = self.lock();
        let is_new = here
            .connections
            .insert(connection.id, Arc::clone(connection))
            .is_none();
        FIGURES.sockets.inc_by(i64::from(is_new));
        here.ends.add(connection);
        if here.stopping {
            connection.stop();
        }
    }

    /// The gateway is stopping: every socket is told, and each that still comes.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        for connection in self.everyone() {
            connection.stop();
        }
    }

    pub(super) fn leave(&self, connection: &Connection) {
        let mut here = self.lock();
        let was_here = here.connections.remove(&connection.id).is_some();
        FIGURES.sockets.dec_by(i64::from(was_here));
        here.ends.remove(connection);
        for job in connection.jobs() {
            here.forget(job, connection.id);
        }
        if let Some(seat) = connection.seat() {
            here.part(seat.session, connection.id);
        }
    }

    /// The client says that it has these messages; answers what there is to forget.
    pub(super) fn acknowledge(
        &self,
        connection: &Connection,
        ids: &[String],
    ) -> Option<Acknowledged> {
        let acknowledged = connection.acknowledge(ids)?;
        let mut here = self.lock();
        for job in &acknowledged.unsent {
            here.forget(*job, connection.id);
        }
        Some(acknowledged)
    }

    /// How many sockets are open.
    pub(super) fn sockets(&self) -> usize {
        self.lock().connections.len()
    }

    /// `connection` asks for a job that is being stored, or was before, and perhaps `listens` to it. A socket that has
    /// gone asks for nothing.
    pub(super) fn expect(&self, connection: &Arc<Connection>, job: JobId, listens: Listens) {
        let mut here = self.lock();
        if !here.connections.contains_key(&connection.id) {
            return;
        }
        connection.expect(job, listens);
        here.ask(job, connection);
    }

    /// The jobs are stored, or asked to end: `text` says so, before anything else about them.
    pub(super) fn queued(&self, connection: &Connection, jobs: &[JobId], text: Utf8Bytes) {
        for job in connection.queued(jobs, text) {
            self.lock().forget(job, connection.id);
        }
    }

    /// There is no such job: what was asked for has another id.
    pub(super) fn forget(&self, connection: &Connection, job: JobId) {
        connection.forget(job);
        self.lock().forget(job, connection.id);
    }

    /// The jobs were not stored: `text` says why.
    pub(super) fn refused(&self, connection: &Connection, jobs: &[JobId], text: Utf8Bytes) {
        for job in jobs {
            self.forget(connection, *job);
        }
        connection.send(text);
    }

    /// Gives the outcome of a job to every socket that asked for it and is still here, and to its session's.
    pub(super) fn deliver(&self, ended: &Ended) -> bool {
        let (askers, session) = {
            let here = self.lock();
            let session = ended
                .session
                .and_then(|session| here.sessions.get(&session));
            let askers = here.askers.get(&ended.job).cloned().unwrap_or_default();
            (askers, session.cloned())
        };
        let mut taken = false;
        for connection in &askers {
            if connection.deliver(ended.job, ended.text.clone()) == Patience::Over {
                taken = true;
                self.lock().forget(ended.job, connection.id);
            }
        }
        if let Some(connection) = session
            && askers.iter().all(|asker| asker.id != connection.id)
        {
            match connection.deliver_to_session(ended.job, ended.text.clone()) {
                Patience::Waits => self.lock().ask(ended.job, &connection),
                Patience::Over => taken = true,
            }
        }
        taken
    }

    fn askers(&self, job: JobId) -> Vec<Arc<Connection>> {
        self.lock().askers.get(&job).cloned().unwrap_or_default()
    }

    /// Gives a notice, encoded once, to everyone.
    pub(super) fn notify(&self, number: i64, text: &Utf8Bytes) {
        for connection in self.everyone() {
            connection.notify(number, text.clone());
        }
    }

    /// The jobs that sockets wait for and whose outcome was not asked for within `patience`: at most `limit`, those
    /// first that were not asked for the longest. From now on they count as asked for.
    pub(super) fn unheard(&self, patience: Duration, limit: usize) -> Vec<JobId> {
        let mut unheard: Vec<(Instant, JobId, Arc<Connection>)> = Vec::new();
        for connection in self.everyone() {
            let stale = connection.unheard(patience);
            unheard.extend(
                stale
                    .into_iter()
                    .map(|(asked, job)| (asked, job, Arc::clone(&connection))),
            );
        }
        unheard.sort_unstable_by_key(|(asked, job, _)| (*asked, *job));
        unheard.truncate(limit);
        for (_, job, connection) in &unheard {
            connection.asked(*job);
        }
        unheard.into_iter().map(|(_, job, _)| job).collect()
    }

    fn everyone(&self) -> Vec<Arc<Connection>> {
        self.lock().connections.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Here> {
        self.here
            .lock()
            .expect("nobody panics while holding who is here")
    }
}

impl Here {
    fn ask(&mut self, job: JobId, connection: &Arc<Connection>) {
        let askers = self.askers.entry(job).or_default();
        if askers.iter().all(|asker| asker.id != connection.id) {
            askers.push(Arc::clone(connection));
        }
    }

    fn forget(&mut self, job: JobId, connection: ConnectionId) {
        if let Some(askers) = self.askers.get_mut(&job) {
            askers.retain(|asker| asker.id != connection);
            if askers.is_empty() {
                self.askers.remove(&job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::session::{Seat, Unread};
    use crate::wire::Close;

    const JOB: JobId = JobId(Uuid::nil());

    fn ended() -> Ended {
        Ended {
            job: JOB,
            session: None,
            text: "result".into(),
        }
    }

    fn pair(hub: &Hub) -> [Arc<Connection>; 2] {
        let pair = [(); 2].map(|()| Arc::new(Connection::anyones()));
        for connection in &pair {
            hub.join(connection);
        }
        pair
    }

    #[test]
    fn everyone_who_asked_for_a_job_gets_its_outcome_and_nothing_is_remembered_of_it() {
        let hub = Hub::default();
        let [first, second] = pair(&hub);
        hub.expect(&first, JOB, Listens::No);
        hub.queued(&first, &[JOB], "queued".into());
        hub.expect(&second, JOB, Listens::No);
        hub.deliver(&ended());
        hub.queued(&second, &[JOB], "queued".into());
        assert_eq!(first.texts(), ["queued", "result"]);
        assert_eq!(second.texts(), ["queued", "result"]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn a_socket_that_has_gone_leaves_nothing_and_asks_for_nothing() {
        let hub = Hub::default();
        let [first, second] = pair(&hub);
        hub.expect(&first, JOB, Listens::No);
        hub.leave(&first);
        hub.leave(&second);
        hub.expect(&second, JOB, Listens::No);
        assert!(hub.lock().askers.is_empty());
        assert!(hub.lock().connections.is_empty());
    }

    const SESSION: SessionId = SessionId(Uuid::nil());

    fn seat(epoch: i64) -> Seat {
        Seat {
            session: SESSION,
            epoch,
            notified: 0,
        }
    }

    fn of_the_session() -> Ended {
        Ended {
            session: Some(SESSION),
            ..ended()
        }
    }

    #[test]
    fn what_is_heard_while_a_socket_catches_up_is_looked_at_afterwards() {
        let hub = Hub::default();
        let [connection, _] = pair(&hub);
        hub.belong(&connection, seat(2));
        hub.deliver(&of_the_session());
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
        hub.deliver(&of_the_session());
        hub.deliver(&of_the_session());
        assert_eq!(connection.texts(), ["resumed", "result"]);
    }

    #[test]
    fn what_was_missed_comes_once_and_counts_until_it_is_acknowledged() {
        let hub = Hub::default();
        let [connection, _] = pair(&hub);
        hub.belong(&connection, seat(1));
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        assert_eq!(
            hub.resumed(&connection, "resumed".into(), &unread, &HashMap::new()),
            [JOB]
        );
        hub.deliver(&of_the_session());
        assert!(hub.found(SESSION, &unread).is_empty());
        hub.deliver(&of_the_session());
        assert_eq!(connection.texts(), ["resumed", "result"]);
        let acknowledged =
            hub.acknowledge(&connection, &[JOB.to_string(), "of another".to_owned()]);
        assert_eq!(acknowledged.unwrap().jobs, [JOB]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn what_an_earlier_socket_was_sent_and_the_client_acknowledges_is_not_sent_again() {
        let hub = Hub::default();
        let [connection, _] = pair(&hub);
        hub.belong(&connection, seat(2));
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        hub.resumed(&connection, "resumed".into(), &unread, &HashMap::new());
        hub.acknowledge(&connection, &[JOB.to_string()]).unwrap();
        hub.deliver(&ended());
        assert_eq!(connection.texts(), ["resumed"]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn an_outcome_that_was_read_before_it_was_acknowledged_is_not_sent_again() {
        let hub = Hub::default();
        let [connection, _] = pair(&hub);
        hub.belong(&connection, seat(1));
        hub.resumed(
            &connection,
            "resumed".into(),
            &Unread::default(),
            &HashMap::new(),
        );
        hub.deliver(&of_the_session());
        hub.acknowledge(&connection, &[JOB.to_string()]).unwrap();
        hub.deliver(&of_the_session());
        let unread = Unread {
            finished: vec![JOB],
            pending: Vec::new(),
        };
        assert!(hub.found(SESSION, &unread).is_empty());
        assert_eq!(connection.texts(), ["resumed", "result"]);
    }

    #[test]
    fn only_a_later_socket_ends_an_earlier_one() {
        let hub = Hub::default();
        let [first, second] = pair(&hub);
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
        let hub = Hub::default();
        let [slow, fast] = pair(&hub);
        hub.belong(&fast, seat(3));
        hub.belong(&slow, seat(2));
        assert_eq!(fast.take().close, None);
        assert_eq!(slow.take().close, Some(Close::TakenOver));
        hub.leave(&slow);
        assert_eq!(hub.seats(), [seat(3)]);
    }

    #[test]
    fn a_job_that_is_asked_for_again_is_queued_again_before_its_outcome() {
        let hub = Hub::default();
        let [asker, _] = pair(&hub);
        hub.expect(&asker, JOB, Listens::No);
        hub.queued(&asker, &[JOB], "queued".into());
        hub.expect(&asker, JOB, Listens::No);
        hub.deliver(&ended());
        hub.queued(&asker, &[JOB], "queued again".into());
        assert_eq!(asker.texts(), ["queued", "queued again", "result"]);
        assert!(hub.lock().askers.is_empty());
    }
}
