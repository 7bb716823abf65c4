//! What strangers can send, changed in every way: nothing of it ends the program, and nothing is taken that should not
//! be.
//!
//! Each file of `corpus` is tried as it is, and then changed: cut, doubled, spliced with another, with bytes turned. What
//! has once been found goes there. `RINGBACK_FUZZ_CASES` says how many changes of each are tried.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod corpus;
mod frames;
mod keys;
mod settings;
mod tokens;
