//! Who waits for which job, and what becomes of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;

use super::Hub;
use crate::gateway::connection::{Connection, Listens, Patience};
use crate::ids::{ConnectionId, JobId, SessionId};

/// The sockets that wait for a job: as a rule one, more where it was submitted again.
#[derive(Debug, Default)]
pub(super) struct Askers(HashMap<JobId, Vec<Arc<Connection>>>);

/// How a job ended, for those who wait for it.
#[derive(Debug)]
pub(in crate::gateway) struct Ended {
    pub(in crate::gateway) job: JobId,
    /// Its session, where that has not acknowledged it.
    pub(in crate::gateway) session: Option<SessionId>,
    pub(in crate::gateway) text: Utf8Bytes,
}

impl Askers {
    pub(super) fn add(&mut self, job: JobId, connection: &Arc<Connection>) {
        let askers = self.0.entry(job).or_default();
        if askers.iter().all(|asker| asker.id != connection.id) {
            askers.push(Arc::clone(connection));
        }
    }

    pub(super) fn remove(&mut self, job: JobId, connection: ConnectionId) {
        if let Some(askers) = self.0.get_mut(&job) {
            askers.retain(|asker| asker.id != connection);
            if askers.is_empty() {
                self.0.remove(&job);
            }
        }
    }

    pub(super) fn of(&self, job: JobId) -> &[Arc<Connection>] {
        self.0.get(&job).map_or(&[], Vec::as_slice)
    }
}

impl Hub {
    /// `connection` asks for a job that is being stored, or was before, and perhaps `listens` to it. A socket that has
    /// gone asks for nothing.
    pub(in crate::gateway) fn expect(
        &self,
        connection: &Arc<Connection>,
        job: JobId,
        listens: Listens,
    ) {
        let mut here = self.lock();
        if !here.connections.contains_key(&connection.id) {
            return;
        }
        connection.expect(job, listens);
        here.askers.add(job, connection);
    }

    /// The jobs are stored, or asked to end: `text` says so, before anything else about them.
    pub(in crate::gateway) fn queued(
        &self,
        connection: &Connection,
        jobs: &[JobId],
        text: Utf8Bytes,
    ) {
        for job in connection.queued(jobs, text) {
            self.lock().askers.remove(job, connection.id);
        }
    }

    /// There is no such job: what was asked for has another id.
    pub(in crate::gateway) fn forget(&self, connection: &Connection, job: JobId) {
        connection.forget(job);
        self.lock().askers.remove(job, connection.id);
    }

    /// The jobs were not stored: `text` says why.
    pub(in crate::gateway) fn refused(
        &self,
        connection: &Connection,
        jobs: &[JobId],
        text: Utf8Bytes,
    ) {
        for job in jobs {
            self.forget(connection, *job);
        }
        connection.send(text);
    }

    /// Gives the outcome of a job to every socket that asked for it and is still here, and to its session's; answers
    /// whether one of them had it not yet.
    pub(in crate::gateway) fn deliver(&self, ended: &Ended) -> bool {
        let (askers, session) = {
            let here = self.lock();
            let session = ended
                .session
                .and_then(|session| here.sessions.get(&session));
            let askers = here.askers.of(ended.job).to_vec();
            (askers, session.cloned())
        };
        let mut taken = false;
        for connection in &askers {
            let patience = connection.deliver(ended.job, ended.text.clone());
            taken |= patience != Patience::Waits;
            if patience == Patience::Over {
                self.lock().askers.remove(ended.job, connection.id);
            }
        }
        if let Some(connection) = session
            && askers.iter().all(|asker| asker.id != connection.id)
        {
            let patience = connection.deliver_to_session(ended.job, ended.text.clone());
            if patience == Patience::Over {
                taken = true;
            } else {
                self.lock().askers.add(ended.job, &connection);
            }
        }
        taken
    }

    pub(super) fn askers(&self, job: JobId) -> Vec<Arc<Connection>> {
        self.lock().askers.of(job).to_vec()
    }
}

#[cfg(test)]
impl Askers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const JOB: JobId = JobId(Uuid::nil());

    fn ended() -> Ended {
        Ended {
            job: JOB,
            session: None,
            text: "result".into(),
        }
    }

    #[test]
    fn everyone_who_asked_for_a_job_gets_its_outcome_and_nothing_is_remembered_of_it() {
        let (hub, [first, second]) = Hub::with_two();
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
    fn an_outcome_that_is_faster_than_what_it_waits_for_is_taken_once() {
        let (hub, [asker, _]) = Hub::with_two();
        hub.expect(&asker, JOB, Listens::No);
        assert!(hub.deliver(&ended()));
        assert!(!hub.deliver(&ended()), "heard of twice");
        hub.queued(&asker, &[JOB], "queued".into());
        assert_eq!(asker.texts(), ["queued", "result"]);
        assert!(!hub.deliver(&ended()), "and again");
    }

    #[test]
    fn a_socket_that_has_gone_leaves_nothing_and_asks_for_nothing() {
        let (hub, [first, second]) = Hub::with_two();
        hub.expect(&first, JOB, Listens::No);
        hub.leave(&first);
        hub.leave(&second);
        hub.expect(&second, JOB, Listens::No);
        assert!(hub.lock().askers.is_empty());
        assert!(hub.lock().connections.is_empty());
    }

    #[test]
    fn a_job_that_is_asked_for_again_is_queued_again_before_its_outcome() {
        let (hub, [asker, _]) = Hub::with_two();
        hub.expect(&asker, JOB, Listens::No);
        hub.queued(&asker, &[JOB], "queued".into());
        hub.expect(&asker, JOB, Listens::No);
        hub.deliver(&ended());
        hub.queued(&asker, &[JOB], "queued again".into());
        assert_eq!(asker.texts(), ["queued", "queued again", "result"]);
        assert!(hub.lock().askers.is_empty());
    }
}
