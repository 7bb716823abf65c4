//! Who wants something of jobs, and which of them are theirs.

use uuid::Uuid;

use crate::ids::{ConnectionId, JobId, SessionId};

/// Who wants something of a job that is there already, such as its end. Jobs that are not theirs are not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds the database: every job.
    Operator,
    /// An owner: all jobs that are theirs.
    Owner(String),
    /// A socket of an owner.
    Client {
        /// Whose jobs.
        owner: String,
        /// Only those of its session,
        session: Option<SessionId>,
        /// or of this socket,
        connection: ConnectionId,
        /// or those that it waits for, because it has asked for them as well.
        waits_for: Vec<JobId>,
    },
}

/// An [`Actor`] as the functions of the database take it.
#[derive(Debug, Default)]
pub(super) struct Theirs<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) session: Option<Uuid>,
    pub(super) connection: Option<Uuid>,
    pub(super) waits_for: Vec<Uuid>,
}

impl<'a> From<&'a Actor> for Theirs<'a> {
    fn from(actor: &'a Actor) -> Self {
        match actor {
            Actor::Operator => Self::default(),
            Actor::Owner(owner) => Self {
                owner: Some(owner),
                ..Self::default()
            },
            Actor::Client {
                owner,
                session,
                connection,
                waits_for,
            } => Self {
                owner: Some(owner),
                session: session.map(|session| session.0),
                connection: Some(connection.0),
                waits_for: waits_for.iter().map(|job| job.0).collect(),
            },
        }
    }
}
