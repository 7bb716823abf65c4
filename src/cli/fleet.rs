//! What every long-lived verb has beside its own part.

use super::exit::Exit;
use crate::config::FleetConfig;
use crate::postgres::Database;
use crate::postgres::listener::Hearing;
use crate::shutdown::{Parts, Stop};
use crate::sweeper;

/// The parts of every long-lived verb: so far, the sweeper.
pub(super) fn parts(database: &Database, fleet: &FleetConfig, stop: &Stop) -> Parts {
    let sweep = sweeper::run(database.clone(), fleet.keep.clone(), stop.clone());
    let mut parts = Parts::default();
    parts.spawn("sweeper", sweep);
    parts
}

/// Whether the settings suit each other: whoever may not start should not have touched anything.
pub(super) fn check(fleet: &FleetConfig) -> anyhow::Result<()> {
    Ok(fleet.keep.check().map_err(Exit::Usage)?)
}

pub(super) fn hearing(fleet: &FleetConfig) -> Hearing {
    if fleet.poll_only {
        Hearing::PollOnly
    } else {
        Hearing::Hints
    }
}
