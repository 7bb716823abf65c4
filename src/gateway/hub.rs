//! Who is here: the open sockets, and how a message finds its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::connection::{Connection, Patience};
use crate::ids::{ConnectionId, JobId};

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
}

impl Hub {
    pub(super) fn join(&self, connection: &Arc<Connection>) {
        let mut here = self.lock();
        here.connections
            .insert(connection.id, Arc::clone(connection));
    }

    pub(super) fn leave(&self, connection: &Connection) {
        let mut here = self.lock();
        here.connections.remove(&connection.id);
        for job in connection.jobs() {
            here.forget(job, connection.id);
        }
    }

    /// `connection` asks for a job that is being stored, or was before. A socket that has gone asks for nothing.
    pub(super) fn expect(&self, connection: &Arc<Connection>, job: JobId) {
        let mut here = self.lock();
        if !here.connections.contains_key(&connection.id) {
            return;
        }
        connection.expect(job);
        let askers = here.askers.entry(job).or_default();
        if askers.iter().all(|asker| asker.id != connection.id) {
            askers.push(Arc::clone(connection));
        }
    }

    /// The job is stored: `text` says so, before anything else about it.
    pub(super) fn queued(&self, connection: &Connection, job: JobId, text: Utf8Bytes) {
        if connection.queued(job, text) == Patience::Over {
            self.lock().forget(job, connection.id);
        }
    }

    /// There is no such job: what was asked for has another id.
    pub(super) fn forget(&self, connection: &Connection, job: JobId) {
        connection.forget(job);
        self.lock().forget(job, connection.id);
    }

    /// The job was not stored: `text` says why.
    pub(super) fn refused(&self, connection: &Connection, job: JobId, text: Utf8Bytes) {
        self.forget(connection, job);
        connection.send(text);
    }

    /// Gives the outcome of a job to every socket that asked for it and is still here.
    pub(super) fn deliver(&self, job: JobId, text: &Utf8Bytes) {
        let askers = self.lock().askers.get(&job).cloned();
        for connection in askers.unwrap_or_default() {
            if connection.deliver(job, text.clone()) == Patience::Over {
                self.lock().forget(job, connection.id);
            }
        }
    }

    /// Gives a message, encoded once, to everyone.
    pub(super) fn broadcast(&self, text: &Utf8Bytes) {
        for connection in self.everyone() {
            connection.send(text.clone());
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

    const JOB: JobId = JobId(Uuid::nil());

    fn texts(connection: &Connection) -> Vec<String> {
        let messages = connection.take().messages;
        messages.iter().map(ToString::to_string).collect()
    }

    fn pair(hub: &Hub) -> [Arc<Connection>; 2] {
        let pair = [(); 2].map(|()| Arc::new(Connection::new()));
        for connection in &pair {
            hub.join(connection);
        }
        pair
    }

    #[test]
    fn everyone_who_asked_for_a_job_gets_its_outcome_and_nothing_is_remembered_of_it() {
        let hub = Hub::default();
        let [first, second] = pair(&hub);
        hub.expect(&first, JOB);
        hub.queued(&first, JOB, "queued".into());
        hub.expect(&second, JOB);
        hub.deliver(JOB, &"result".into());
        hub.queued(&second, JOB, "queued".into());
        assert_eq!(texts(&first), ["queued", "result"]);
        assert_eq!(texts(&second), ["queued", "result"]);
        assert!(hub.lock().askers.is_empty());
    }

    #[test]
    fn a_socket_that_has_gone_leaves_nothing_and_asks_for_nothing() {
        let hub = Hub::default();
        let [first, second] = pair(&hub);
        hub.expect(&first, JOB);
        hub.leave(&first);
        hub.leave(&second);
        hub.expect(&second, JOB);
        assert!(hub.lock().askers.is_empty());
        assert!(hub.lock().connections.is_empty());
    }

    #[test]
    fn a_job_that_is_asked_for_again_is_queued_again_before_its_outcome() {
        let hub = Hub::default();
        let [asker, _] = pair(&hub);
        hub.expect(&asker, JOB);
        hub.queued(&asker, JOB, "queued".into());
        hub.expect(&asker, JOB);
        hub.deliver(JOB, &"result".into());
        hub.queued(&asker, JOB, "queued again".into());
        assert_eq!(texts(&asker), ["queued", "queued again", "result"]);
        assert!(hub.lock().askers.is_empty());
    }
}
