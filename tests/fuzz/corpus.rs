//! Texts to begin with, and what becomes of them.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// How many changed texts are tried, when nothing is said.
const CASES: u32 = 3_000;

/// One change.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index, Index),
    Double(Index, Index),
    Insert(Index, Vec<u8>),
    Turn(Index, u8),
    /// What another text has from here on.
    Splice(Index, Index),
}

/// Tries a property on every text of a corpus, and on many that are like them.
pub(crate) fn each(name: &str, property: impl Fn(&[u8])) {
    let texts = texts(name);
    assert!(!texts.is_empty(), "there is no corpus called {name}");
    texts.iter().for_each(|text| property(text));
    let cases = std::env::var("RINGBACK_FUZZ_CASES");
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        // What fails is printed, and belongs in the corpus.
        failure_persistence: None,
        ..Config::default()
    };
    let changed = (select(texts.clone()), select(texts), vec(change(), 0..6));
    let tried = TestRunner::new(config).run(&changed, |(mut text, other, changes)| {
        for change in &changes {
            apply(change, &mut text, &other);
        }
        property(&text);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{name}: {error}");
    }
}

fn texts(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    // So that a seed gives the same texts everywhere.
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    // Bytes that mean something somewhere, and any others.
    let telling = b"{}[]\",:.\\\0\n\r=-_+/%#'\x7f\xc3\xff0129eEaZ ".to_vec();
    let bytes = vec(prop_oneof![select(telling), any::<u8>()], 1..9);
    prop_oneof![
        (place(), place()).prop_map(|(from, to)| Change::Cut(from, to)),
        (place(), place()).prop_map(|(from, to)| Change::Double(from, to)),
        (place(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Turn(at, byte)),
        (place(), place()).prop_map(|(at, from)| Change::Splice(at, from)),
    ]
}

fn apply(change: &Change, text: &mut Vec<u8>, other: &[u8]) {
    let length = text.len();
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(length + 1), to.index(length + 1));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Cut(from, to) => drop(text.drain(range(from, to))),
        Change::Double(from, to) => {
            let range = range(from, to);
            let piece = text[range.clone()].to_vec();
            text.splice(range.start..range.start, piece);
        }
        Change::Insert(at, bytes) => {
            let at = at.index(length + 1);
            text.splice(at..at, bytes.iter().copied());
        }
        Change::Turn(at, byte) => {
            if length > 0 {
                text[at.index(length)] ^= byte;
            }
        }
        Change::Splice(at, from) => {
            text.truncate(at.index(length + 1));
            text.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
}
