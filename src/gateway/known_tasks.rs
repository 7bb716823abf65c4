//! The tasks that the fleet can run, as this gateway knows them.

use std::collections::HashMap;
use std::sync::RwLock;

use crate::queue::tasks::KnownTask;
use crate::task::FALLBACK;

/// What the fleet can run, by name; refreshed now and then by the relay.
#[derive(Debug)]
pub(super) struct KnownTasks {
    by_name: RwLock<HashMap<String, KnownTask>>,
}

impl KnownTasks {
    pub(super) fn new(tasks: Vec<KnownTask>) -> Self {
        Self {
            by_name: RwLock::new(by_name(tasks)),
        }
    }

    pub(super) fn replace(&self, tasks: Vec<KnownTask>) {
        *self
            .by_name
            .write()
            .expect("nobody panics while holding the tasks") = by_name(tasks);
    }

    /// What runs a `task_type`: the task of that name, or else the default one, where there is one.
    pub(super) fn resolve(&self, task_type: &str) -> Option<KnownTask> {
        let by_name = self
            .by_name
            .read()
            .expect("nobody panics while holding the tasks");
        by_name
            .get(task_type)
            .or_else(|| by_name.get(FALLBACK))
            .cloned()
    }
}

fn by_name(tasks: Vec<KnownTask>) -> HashMap<String, KnownTask> {
    tasks
        .into_iter()
        .map(|task| (task.name.clone(), task))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str) -> KnownTask {
        KnownTask {
            name: name.to_owned(),
            queue: "default".to_owned(),
        }
    }

    #[test]
    fn an_unknown_name_runs_the_default_task_where_there_is_one() {
        let known = KnownTasks::new(vec![task("translate"), task("default")]);
        assert_eq!(known.resolve("translate").unwrap().name, "translate");
        assert_eq!(known.resolve("fly").unwrap().name, "default");
        known.replace(vec![task("translate")]);
        assert_eq!(known.resolve("fly"), None);
    }
}
