//! The circuits of all tasks of a program, for its worker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::circuit::{Circuit, Open};

/// All of them that the tasks of a program have, as its worker of one database sees them; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Circuits {
    all: Vec<Arc<Circuit>>,
    /// The tasks that other workers of that database run and have not paused.
    elsewhere: Arc<Mutex<Vec<String>>>,
}

impl Circuits {
    /// Those that are open.
    #[must_use]
    pub fn open(&self) -> Vec<Open> {
        self.all
            .iter()
            .filter_map(|circuit| circuit.open())
            .collect()
    }

    /// Takes note of which tasks others run and have not paused.
    pub fn run_elsewhere(&self, tasks: Vec<String>) {
        *self.elsewhere() = tasks;
    }

    /// The tasks whose jobs are better left to others for now.
    #[must_use]
    pub fn left_to_others(&self) -> Vec<&str> {
        let elsewhere = self.elsewhere();
        let paused = self.all.iter().filter_map(|circuit| circuit.paused());
        paused
            .filter(|task| elsewhere.iter().any(|other| other == task))
            .collect()
    }

    fn elsewhere(&self) -> MutexGuard<'_, Vec<String>> {
        self.elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Arc<Circuit>> for Circuits {
    fn from_iter<I: IntoIterator<Item = Arc<Circuit>>>(circuits: I) -> Self {
        Self {
            all: circuits.into_iter().collect(),
            elsewhere: Arc::default(),
        }
    }
}
