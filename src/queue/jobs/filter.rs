//! Which jobs to look at.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ids::JobId;
use crate::wire::JobState;

/// How far the time in the id of a job may be from that of its submission.
const NEAR: SignedDuration = SignedDuration::from_secs(60);

/// Which jobs to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// In one of these states; none is any.
    pub states: Vec<JobState>,
    /// Of this task, or asked for by this name.
    pub task: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// Whose they are.
    pub owner: Option<String>,
    /// Submitted at this time or later.
    pub since: Option<Timestamp>,
    /// Submitted before this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// The names of the states, where it says any.
    pub(super) fn states(&self) -> Option<Vec<String>> {
        let names = self.states.iter().map(|state| state.name().to_owned());
        (!self.states.is_empty()).then(|| names.collect())
    }

    /// Whether jobs that are not over can be among them.
    pub(super) fn may_be_live(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| !state.is_over())
    }

    /// Whether jobs that are over can be.
    pub(super) fn may_be_over(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| state.is_over())
    }

    /// The first and the last id that such a job before `before` can have; none, where there can be none.
    pub(super) fn range(&self, before: Option<JobId>) -> Option<(Uuid, Uuid)> {
        // An id is made a moment before its job is stored, or as long before as a submission waits for a database that is
        // away: it says at least where to look.
        let first = self.since.map_or(0, |since| {
            smallest_id(since.checked_sub(NEAR).unwrap_or(since))
        });
        let until = self
            .until
            .map(|until| smallest_id(until.checked_add(NEAR).unwrap_or(until)));
        let ends = [before.map(|job| job.0.as_u128()), until];
        let last = match ends.into_iter().flatten().min() {
            None => u128::MAX,
            Some(end) => end.checked_sub(1)?,
        };
        Some((Uuid::from_u128(first), Uuid::from_u128(last)))
    }
}

/// The smallest id that is made at this time.
fn smallest_id(time: Timestamp) -> u128 {
    u128::try_from(time.as_millisecond()).unwrap_or_default() << 80
}
