//! The tasks that the fleet can run, as this gateway knows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use serde_json::Value;

use crate::queue::tasks::KnownTask;
use crate::task::form::Form;
use crate::task::{FALLBACK, Kind, Tasks, Wrong};

/// What the fleet can run, by name; refreshed by the relay when it has changed.
#[derive(Debug)]
pub(super) struct KnownTasks {
    /// Those of this program.
    own: Tasks,
    by_name: RwLock<HashMap<String, Arc<Known>>>,
    /// What stays the same while these do.
    mark: Mutex<String>,
}

/// A task that the fleet can run.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) task: KnownTask,
    /// It in this program, if it is the same there: an older or a newer one has no say about inputs.
    pub(super) kind: Option<Arc<Kind>>,
}

impl KnownTasks {
    /// None yet, for a program that has its own.
    pub(super) fn new(own: Tasks) -> Self {
        Self {
            own,
            by_name: RwLock::default(),
            mark: Mutex::default(),
        }
    }

    /// Whether they are the ones that have this mark.
    pub(super) fn are_those_of(&self, mark: &str) -> bool {
        *self.mark.lock().expect("nobody panics while holding it") == mark
    }

    pub(super) fn replace(&self, mark: String, tasks: Vec<KnownTask>) {
        *self
            .by_name
            .write()
            .expect("nobody panics while holding the tasks") = by_name(&self.own, tasks);
        *self.mark.lock().expect("nobody panics while holding it") = mark;
    }

    /// What they work on and give back, by their names.
    pub(super) fn forms(&self) -> Vec<Form> {
        let by_name = self
            .by_name
            .read()
            .expect("nobody panics while holding the tasks");
        let forms = by_name.values().map(|known| Form {
            name: known.task.name.clone(),
            input: known.task.input.clone(),
            output: known.task.output.clone(),
        });
        let mut forms: Vec<Form> = forms.collect();
        forms.sort_by(|a, b| a.name.cmp(&b.name));
        forms
    }

    /// What runs a `task_type`: the task of that name, or else the default one, where this program has one.
    pub(super) fn resolve(&self, task_type: &str) -> Option<Arc<Known>> {
        let by_name = self
            .by_name
            .read()
            .expect("nobody panics while holding the tasks");
        by_name
            .get(task_type)
            .or_else(|| {
                // Not where it is another program's that has used the database before: what is misspelt would wait there.
                let fallback = by_name.get(FALLBACK);
                fallback.filter(|_| self.own.get(FALLBACK).is_some())
            })
            .cloned()
    }
}

impl Known {
    /// An input as the task takes it; or what is wrong with it: it is not what the fleet says, or, where this program
    /// has the task, cannot be read.
    pub(super) fn fit(&self, input: Value) -> Result<Value, Vec<Wrong>> {
        match &self.kind {
            Some(kind) => kind.fit(input),
            None => self.task.input.fit(input),
        }
    }
}

fn by_name(own: &Tasks, tasks: Vec<KnownTask>) -> HashMap<String, Arc<Known>> {
    let known = |task: KnownTask| {
        let kind = own.get(&task.name).filter(|kind| kind.input == task.input);
        let kind = kind.map(Arc::clone);
        (task.name.clone(), Arc::new(Known { task, kind }))
    };
    tasks.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::task::{Context, Schema, from_fn};

    fn task(name: &str, input: Value) -> KnownTask {
        KnownTask {
            name: name.to_owned(),
            queue: "default".to_owned(),
            input: Schema::new(input).unwrap(),
            output: Schema::anything(),
        }
    }

    #[test]
    fn an_unknown_name_runs_the_default_task_where_there_is_one() {
        let fallback = from_fn(
            "default",
            |text: String, _: Context| async move { Ok(text) },
        );
        let known = KnownTasks::new(Tasks::new().with(fallback));
        let others = KnownTasks::new(Tasks::new());
        others.replace("1".to_owned(), vec![task("default", json!({}))]);
        assert!(others.resolve("fly").is_none(), "it is another program's");
        let tasks = ["translate", "default"].map(|name| task(name, json!({})));
        known.replace("2".to_owned(), tasks.to_vec());
        assert!(known.are_those_of("2"));
        assert_eq!(known.resolve("translate").unwrap().task.name, "translate");
        assert_eq!(known.resolve("fly").unwrap().task.name, "default");
        known.replace("1".to_owned(), vec![task("translate", json!({}))]);
        assert!(known.resolve("fly").is_none());
    }

    #[test]
    fn what_the_fleet_has_goes_before_what_this_program_has() {
        // Its type says more than its schema: only what is an address.
        let ask = from_fn("ask", |address: std::net::IpAddr, _: Context| async move {
            Ok(address.is_loopback())
        });
        let schema = ask.input.text().clone();
        let known = KnownTasks::new(Tasks::new().with(ask));
        let check = |input: Value| known.resolve("ask").unwrap().fit(input).is_ok();
        known.replace("same".to_owned(), vec![task("ask", schema)]);
        assert!(check(json!("::1")) && !check(json!("here")));
        let newer = task("ask", json!({"type": "integer"}));
        known.replace("newer".to_owned(), vec![newer]);
        assert!(check(json!(1)) && !check(json!("::1")));
    }
}
