//! Several databases among which owners are spread.
//!
//! All that is of an owner is in one of them, its shard: jobs, events, keys, sessions. So every transaction stays in one
//! database, and what one of them lacks for a while the others do not.

use sha2::{Digest, Sha256};
use tracing::{Span, info_span};

/// The most that anybody may ask for: each process has connections to all of them.
pub const MOST: usize = 1_000;

/// Something of each shard, in their order.
#[derive(Clone, Debug)]
pub struct Shards<T> {
    each: Vec<T>,
}

/// Which one of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl<T> Shards<T> {
    /// That of all owners, where there is one database.
    #[must_use]
    pub fn one(it: T) -> Self {
        Self { each: vec![it] }
    }

    /// Those of several, in their order; none, where there is none.
    #[must_use]
    pub fn of_each(each: Vec<T>) -> Option<Self> {
        (!each.is_empty()).then_some(Self { each })
    }

    /// That of this owner.
    #[must_use]
    pub fn of(&self, owner: &str) -> &T {
        match &self.each[..] {
            // The usual case, on every request.
            [only] => only,
            each => &each[place_of(owner, each.len()).number - 1],
        }
    }

    /// That of this number, from 1.
    #[must_use]
    pub fn at(&self, number: usize) -> Option<&T> {
        self.each.get(number.checked_sub(1)?)
    }

    /// Every one.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.each.iter()
    }

    /// Every one, given away.
    pub fn into_each(self) -> impl Iterator<Item = T> {
        self.each.into_iter()
    }

    /// Every one, with its place.
    pub fn places(&self) -> impl Iterator<Item = (Place, &T)> {
        let of = self.each.len();
        let each = self.each.iter().enumerate();
        each.map(move |(index, it)| (Place::at(index, of), it))
    }

    /// The same with something else of each.
    pub fn map_each<'a, U>(&'a self, mut other: impl FnMut(Place, &'a T) -> U) -> Shards<U> {
        let each = self.places().map(|(place, it)| other(place, it));
        Shards {
            each: each.collect(),
        }
    }

    /// How many there are; never none.
    #[must_use]
    pub fn count(&self) -> usize {
        self.each.len()
    }

    /// The only one, where there is one.
    #[must_use]
    pub fn only(&self) -> Option<&T> {
        match &self.each[..] {
            [one] => Some(one),
            _ => None,
        }
    }
}

impl Place {
    /// That of the only database.
    pub const ONLY: Self = Self { number: 1, of: 1 };

    /// Its part of so many, spread evenly.
    #[must_use]
    pub fn part_of(self, all: usize) -> usize {
        all / self.of + usize::from(self.number <= all % self.of)
    }

    /// Tells apart what is said of each; of the only one nothing need be said.
    #[must_use]
    pub fn span(self) -> Span {
        match self {
            Self::ONLY => Span::none(),
            place => info_span!("shard", number = place.number),
        }
    }

    fn at(index: usize, of: usize) -> Self {
        Self {
            number: index + 1,
            of,
        }
    }
}

/// Where the owner is among so many.
///
/// That is the shard for which the hash of the two is the largest (rendezvous hashing, Thaler and Ravishankar 1996): with
/// one more, only those owners move that it is given.
#[must_use]
pub fn place_of(owner: &str, of: usize) -> Place {
    let weight = |index: usize| {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        Sha256::new()
            .chain_update(number.to_be_bytes())
            .chain_update(owner)
            .finalize()
    };
    let index = (0..of).max_by_key(|index| weight(*index));
    Place::at(index.unwrap_or_default(), of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> impl Iterator<Item = String> {
        (0..9_000).map(|number| format!("owner {number}"))
    }

    #[test]
    fn an_owner_is_where_it_has_always_been() {
        let numbers = |owner| [1, 2, 3, 8].map(|of| place_of(owner, of).number);
        assert_eq!(numbers("anonymous"), [1, 1, 3, 3]);
        assert_eq!(numbers("alice"), [1, 1, 1, 1]);
    }

    #[test]
    fn owners_are_spread_evenly() {
        let mut counts = [0; 3];
        for owner in owners() {
            counts[place_of(&owner, 3).number - 1] += 1;
        }
        assert!(
            counts.iter().all(|count| (2_800..3_200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn one_shard_more_moves_only_those_owners_that_it_is_given() {
        let mut moved = 0;
        for owner in owners() {
            let (before, after) = (place_of(&owner, 3).number, place_of(&owner, 4).number);
            assert!(after == before || after == 4, "{owner}: {before}, {after}");
            moved += usize::from(after == 4);
        }
        assert!((2_000..2_500).contains(&moved), "{moved}");
    }

    #[test]
    fn the_parts_of_all_are_all() {
        let parts = [1, 2, 3].map(|number| Place { number, of: 3 }.part_of(8));
        assert_eq!(parts, [3, 3, 2]);
    }

    #[test]
    fn each_is_found_by_its_owner_and_by_its_number() {
        let shards = Shards::of_each(vec!["a", "b"]).unwrap();
        let Place { number, .. } = place_of("alice", 2);
        assert_eq!(Some(shards.of("alice")), shards.at(number));
        assert_eq!((shards.at(0), shards.at(3)), (None, None));
        assert!(shards.only().is_none() && Shards::one("a").only().is_some());
        assert!(Shards::<()>::of_each(Vec::new()).is_none());
    }
}
