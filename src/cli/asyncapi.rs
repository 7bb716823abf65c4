//! `ringback asyncapi`: prints the contract of the socket.

use super::output::say;
use crate::asyncapi;

pub(super) fn run() -> anyhow::Result<()> {
    say(asyncapi::text().trim_end())
}
