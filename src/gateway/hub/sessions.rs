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
            here.ask(job, connection);
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
            here.ask(*job, &connection);
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
