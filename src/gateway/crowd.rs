//! How many of each kind are here, up to a limit: connections of an address, sockets of a subject.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

/// How many of each kind are here.
#[derive(Debug)]
pub(super) struct Crowd<K> {
    /// The most of one kind; 0 is no limit.
    most: usize,
    here: Mutex<HashMap<K, usize>>,
}

/// A place among those of a kind; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    crowd: Arc<Crowd<K>>,
    kind: K,
}

impl<K: Clone + Eq + Hash> Crowd<K> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            here: Mutex::default(),
        })
    }

    /// A place for one more of a kind, if there is one.
    pub(super) fn enter(self: &Arc<Self>, kind: K) -> Option<Place<K>> {
        let mut here = self.lock();
        let count = here.entry(kind.clone()).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        drop(here);
        Some(Place {
            crowd: Arc::clone(self),
            kind,
        })
    }
}

impl<K> Crowd<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.here
            .lock()
            .expect("nobody panics while holding the crowd")
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut here = self.crowd.lock();
        if let Some(count) = here.get_mut(&self.kind) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_places_and_they_are_given_back() {
        let crowd = Crowd::new(2);
        let first = crowd.enter("a").unwrap();
        let _second = crowd.enter("a").unwrap();
        assert!(crowd.enter("a").is_none());
        let other = crowd.enter("b").unwrap();
        drop((first, other));
        assert!(crowd.enter("a").is_some());
        assert_eq!(crowd.lock().len(), 1, "who has gone is forgotten");
    }

    #[test]
    fn without_a_limit_there_is_always_a_place() {
        let crowd = Crowd::new(0);
        let places: Vec<_> = (0..100).map(|_| crowd.enter(())).collect();
        assert!(places.iter().all(Option::is_some));
    }
}
