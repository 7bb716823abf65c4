//! `ringback openapi`: prints the contract of HTTP.

use super::output::say;
use crate::openapi;

pub(super) fn run() -> anyhow::Result<()> {
    say(openapi::text().trim_end())
}
