//! Who is here: the open sockets, and how a message finds its own.

mod askers;
mod ends;
mod listening;
mod sessions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;

use super::connection::{Acknowledged, Connection};
use crate::ids::{ConnectionId, JobId, SessionId};
use crate::telemetry::FIGURES;

use askers::Askers;
pub(super) use askers::Ended;
use ends::Ends;

/// The open sockets of this gateway. All of them are in the group `system`.
#[derive(Debug, Default)]
pub(super) struct Hub {
    here: Mutex<Here>,
}

#[derive(Debug, Default)]
struct Here {
    connections: HashMap<ConnectionId, Arc<Connection>>,
    askers: Askers,
    /// The sockets that belong to a session.
    sessions: HashMap<SessionId, Arc<Connection>>,
    /// When the tokens of sockets end, the next first.
    ends: Ends,
    stopping: bool,
}

impl Hub {
    pub(super) fn join(&self, connection: &Arc<Connection>) {
        let mut here = self.lock();
        here.connections
            .insert(connection.id, Arc::clone(connection));
        FIGURES.sockets.inc();
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
        here.connections.remove(&connection.id);
        FIGURES.sockets.dec();
        here.ends.remove(connection);
        for job in connection.jobs() {
            here.askers.remove(job, connection.id);
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
            here.askers.remove(*job, connection.id);
        }
        Some(acknowledged)
    }

    /// How many sockets are open.
    pub(super) fn sockets(&self) -> usize {
        self.lock().connections.len()
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

#[cfg(test)]
impl Hub {
    /// One with two sockets.
    fn with_two() -> (Self, [Arc<Connection>; 2]) {
        let hub = Self::default();
        let two = [(); 2].map(|()| Arc::new(Connection::anyones()));
        for connection in &two {
            hub.join(connection);
        }
        (hub, two)
    }
}
