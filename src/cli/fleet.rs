//! What every long-lived verb has beside its own part.

use crate::config::FleetConfig;
use crate::postgres::Database;
use crate::postgres::listener::Hearing;
use crate::shutdown::{Parts, Stop};
use crate::sweeper::{self, Keep};

/// The parts of every long-lived verb: so far, the sweeper.
pub(super) fn parts(database: &Database, fleet: &FleetConfig, stop: &Stop) -> Parts {
    let keep = Keep {
        history: fleet.keep_history,
        sessions: fleet.keep_sessions,
    };
    let sweep = sweeper::run(database.clone(), keep, stop.clone());
    let mut parts = Parts::default();
    parts.spawn("sweeper", sweep);
    parts
}

pub(super) fn hearing(fleet: &FleetConfig) -> Hearing {
    if fleet.poll_only {
        Hearing::PollOnly
    } else {
        Hearing::Hints
    }
}
