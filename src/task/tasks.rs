//! The tasks of a program.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures_util::future::join_all;

use super::form::Form;
use super::{Circuits, Kind, demonstration};

/// The tasks that a program can run, by name.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    by_name: BTreeMap<String, Arc<Kind>>,
}

impl Tasks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more: a type with the trait [`Task`](super::Task), or what [`from_fn`](super::from_fn) makes of a
    /// closure. A second one of the same name replaces the first.
    #[must_use]
    pub fn with(mut self, task: impl Into<Kind>) -> Self {
        let kind = task.into();
        self.by_name.insert(kind.name.clone(), Arc::new(kind));
        self
    }

    /// With all of these as well.
    ///
    /// # Errors
    /// When two have the same name.
    pub fn and(mut self, others: Self) -> anyhow::Result<Self> {
        for (name, kind) in others.by_name {
            if self.by_name.contains_key(&name) {
                bail!("two tasks are called {name}; give one of them another name");
            }
            self.by_name.insert(name, kind);
        }
        Ok(self)
    }

    /// The demonstration tasks, whose pretended work takes `delay_scale` times as long as it says.
    #[must_use]
    pub fn demonstration(delay_scale: f64) -> Self {
        demonstration::tasks(delay_scale)
    }

    /// What they work on and give back.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let forms = self.iter().map(|kind| Form {
            name: kind.name.clone(),
            input: kind.input.clone(),
            output: kind.output.clone(),
        });
        forms.collect()
    }

    /// The task of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Kind>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.by_name.values()
    }

    /// What pauses them while what they call is away.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        self.iter()
            .filter_map(|kind| kind.circuit.clone())
            .collect()
    }

    /// How long an attempt that was told to end is waited for, of each task that does not end by being dropped.
    #[must_use]
    pub fn overtimes(&self) -> BTreeMap<String, Duration> {
        self.iter()
            .filter(|kind| !kind.overtime().is_zero())
            .map(|kind| (kind.name.clone(), kind.overtime()))
            .collect()
    }

    /// Says to all that no more jobs come, and waits until nothing of their work is left.
    pub async fn close(&self) {
        join_all(self.iter().map(|kind| kind.close())).await;
    }
}
