//! What a verb says to whoever asked.

use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Prints a line. Where nobody reads any more (`ringback url | true`), nothing is lost.
pub(super) fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.context("could not write to the standard output"),
    }
}
