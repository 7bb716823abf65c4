//! `ringback openapi`: prints the contract of HTTP.

use super::output::say;
use crate::openapi;
use crate::task::Tasks;

pub(super) fn run(tasks: &Tasks) -> anyhow::Result<()> {
    say(openapi::text(&tasks.forms()).trim_end())
}
