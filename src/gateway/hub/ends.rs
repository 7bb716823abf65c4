//! When the tokens of sockets end, and their sockets with them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::Hub;
use crate::auth::Identity;
use crate::gateway::connection::Connection;
use crate::ids::ConnectionId;
use crate::wire::Close;

/// When the tokens of sockets end, the next first.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeSet<(SystemTime, ConnectionId)>);

impl Ends {
    pub(super) fn add(&mut self, connection: &Connection) {
        self.0.extend(end_of(connection));
    }

    pub(super) fn remove(&mut self, connection: &Connection) {
        if let Some(end) = end_of(connection) {
            self.0.remove(&end);
        }
    }
}

impl Hub {
    /// The socket has a fresh token.
    pub(in crate::gateway) fn renew(&self, connection: &Connection, identity: Arc<Identity>) {
        let mut here = self.lock();
        here.ends.remove(connection);
        connection.renew(identity);
        if here.connections.contains_key(&connection.id) {
            here.ends.add(connection);
        }
    }

    /// Closes the sockets whose tokens have ended by now.
    pub(in crate::gateway) fn end_until(&self, now: SystemTime) {
        let mut here = self.lock();
        while let Some(&(until, id)) = here.ends.0.first()
            && until <= now
        {
            here.ends.0.pop_first();
            if let Some(connection) = here.connections.get(&id) {
                connection.close(Close::TokenOver);
            }
        }
    }
}

fn end_of(connection: &Connection) -> Option<(SystemTime, ConnectionId)> {
    let until = connection.identity().until?;
    Some((until, connection.id))
}
