//! Who is here: the open sockets, and how a message finds its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::connection::Connection;
use crate::ids::{ConnectionId, JobId};

/// The open sockets of this gateway. All of them are in the group `system`.
#[derive(Debug, Default)]
pub(super) struct Hub {
    connections: Mutex<HashMap<ConnectionId, Arc<Connection>>>,
}

impl Hub {
    pub(super) fn join(&self, connection: &Arc<Connection>) {
        self.lock().insert(connection.id, Arc::clone(connection));
    }

    pub(super) fn leave(&self, connection: ConnectionId) {
        self.lock().remove(&connection);
    }

    /// Gives the outcome of a job to the socket that asked for it, if it is still here.
    pub(super) fn deliver(&self, connection: ConnectionId, job: JobId, text: Utf8Bytes) {
        let connection = self.lock().get(&connection).cloned();
        if let Some(connection) = connection {
            connection.deliver(job, text);
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
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Connection>>> {
        self.connections
            .lock()
            .expect("nobody panics while holding the connections")
    }
}
