//! The contract.
/// Text.
pub fn text() -> String { String::new() }
