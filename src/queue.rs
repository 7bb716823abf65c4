//! All SQL of jobs: enqueue, claim, finish, put back, recover, read.
//!
//! The long statements are `.sql` files beside this one, each with a comment that says what its parameters are.

pub mod actor;
pub mod backlog;
pub mod callback;
pub mod cancel;
pub mod claim;
pub mod commit;
mod cursor;
pub mod doctor;
pub mod enqueue;
pub mod expire;
pub mod export;
pub mod finish;
pub mod fleet;
pub mod follow;
mod follow_up;
pub mod gone;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod operator_log;
pub mod overview;
pub mod partitions;
pub mod prune;
pub mod queues;
pub mod read;
pub mod recover;
pub mod recurring;
pub mod refusal;
pub mod report;
pub mod retry;
pub mod samples;
pub mod shard;
pub mod stats;
pub mod submit;
pub mod sweep;
pub mod tasks;
mod turn;
pub mod waiting;
pub mod whole;

use crate::postgres::hints::Hinting;

pub use actor::Actor;
pub use callback::Waits;
pub use cancel::{CANCEL_CHANNEL, Cancelled};
pub use claim::{Claimed, Claims};
pub use commit::{Answer, Rows, commit};
pub use cursor::Cursor;
pub use enqueue::{Asker, Due, NewJob, Stored};
pub use finish::{Ended, Ending, PutBack, Why};
pub use keys::{Key, Repeat};
pub use operator_log::Deed;
pub use read::Outcome;
pub use refusal::Refusal;
pub use report::{Report, Said};
pub use retry::Retried;

/// What [`READY_CHANNEL`] says when a limit is to be looked at.
pub const HELD_HINT: &str = "held";

/// The channel that says that a queue has ready jobs: its name, a space, the lowest rank.
pub const READY_CHANNEL: &str = "ringback_ready";

/// How a batch is written this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// It may have been written already: its connection was lost while it was being committed.
    pub again: bool,
    /// What to do about hints.
    pub hints: Hinting,
}

impl Try {
    /// The first time, with hints by Postgres alone.
    pub const FIRST: Self = Self::first(Hinting::Notify);

    /// The first time.
    #[must_use]
    pub const fn first(hints: Hinting) -> Self {
        let again = false;
        Self { again, hints }
    }
}

/// A column of a statement. One without any value is left empty: the server then fills it with nulls, and spends
/// nothing on it.
fn sparse<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Option<T>> {
    let values: Vec<Option<T>> = values.collect();
    if values.iter().all(Option::is_none) {
        return Vec::new();
    }
    values
}
