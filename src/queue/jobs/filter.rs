//! Which jobs to look at.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ids::{JobId, first_id};
use crate::wire::JobState;

/// How far the time in the id of a job may be from that of its submission.
const NEAR: SignedDuration = SignedDuration::from_secs(60);

/// How many jobs one look goes through for those of a task, a state and so on,
const LOOKED_AT: i64 = 50_000;

/// and how many for a text in their contents, which may be large.
const LOOKED_INTO: i64 = 5_000;

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
    /// With this in their content, in upper or lower case, as far as the database's locale knows these.
    pub search: Option<String>,
    /// Only these.
    pub ids: Option<Vec<JobId>>,
}

/// The jobs among which one look is for those that a filter is about: a look must not cost more, the fewer there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// How many, of the newest.
    pub(super) jobs: i64,
    /// Whether finished ones count only where they have not succeeded: those have an index of their own.
    pub(super) unsuccessful: bool,
}

impl Filter {
    /// Those of them that are this owner's.
    #[must_use]
    pub fn of(mut self, owner: &str) -> Self {
        if self.owner.as_ref().is_some_and(|asked| asked != owner) {
            self.ids = Some(Vec::new());
        }
        self.owner = Some(owner.to_owned());
        self
    }

    /// The names of the states, where it says any.
    pub(super) fn states(&self) -> Option<Vec<String>> {
        names(&self.states)
    }

    /// Whether jobs that are not over can be among them.
    pub(super) fn may_be_live(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| !state.is_over())
    }

    /// Whether jobs that are over can be.
    pub(super) fn may_be_over(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| state.is_over())
    }

    /// How far one look goes; where nothing but their time is asked for, every job is one of them.
    pub(super) fn reach(&self) -> Option<Reach> {
        if self.ids.is_some() {
            return None;
        }
        let others = [&self.task, &self.queue, &self.owner];
        let unsuccessful = !self.states.is_empty() && !self.states.contains(&JobState::Succeeded);
        if let Some(search) = &self.search
            && !search.is_empty()
        {
            let jobs = LOOKED_INTO;
            return Some(Reach { jobs, unsuccessful });
        }
        let is_any = self.states.is_empty() && others.into_iter().all(Option::is_none);
        let jobs = LOOKED_AT;
        (!is_any).then_some(Reach { jobs, unsuccessful })
    }

    /// The first and the last id that such a job before `before` can have; none, where there can be none.
    pub(super) fn range(&self, before: Option<JobId>) -> Option<(Uuid, Uuid)> {
        let at = |time: Timestamp| first_id(time.as_millisecond()).as_u128();
        // An id is made a moment before its job is stored, or as long before as a submission waits for a database that is
        // away: it says at least where to look.
        let first = self
            .since
            .map_or(0, |since| at(since.checked_sub(NEAR).unwrap_or(since)));
        let until = self
            .until
            .map(|until| at(until.checked_add(NEAR).unwrap_or(until)));
        let ends = [before.map(|job| job.0.as_u128()), until];
        let last = match ends.into_iter().flatten().min() {
            None => u128::MAX,
            Some(end) => end.checked_sub(1)?,
        };
        let (first, last) = (Uuid::from_u128(first), Uuid::from_u128(last));
        let Some(ids) = &self.ids else {
            return Some((first, last));
        };
        let (smallest, largest) = (ids.iter().min()?.0, ids.iter().max()?.0);
        Some((first.max(smallest), last.min(largest)))
    }
}

/// The names of states, where there are any; without, any is meant.
pub(in crate::queue) fn names(states: &[JobState]) -> Option<Vec<String>> {
    let names = states.iter().map(|state| state.name().to_owned());
    (!states.is_empty()).then(|| names.collect())
}
