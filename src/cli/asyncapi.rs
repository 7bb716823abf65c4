//! `ringback asyncapi`: prints the contract of the socket.

use std::io::Write;

use anyhow::Context;

use crate::asyncapi;

pub(super) fn run() -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(asyncapi::text().as_bytes())
        .context("could not print the contract")
}
