//! `ringback openapi`: prints the contract of HTTP.

use std::io::Write;

use anyhow::Context;

use crate::openapi;

pub(super) fn run() -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(openapi::text().as_bytes())
        .context("could not print the contract")
}
