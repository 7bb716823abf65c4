//! `ringback asyncapi`: prints the contract of the socket.

use super::output::say;
use crate::asyncapi;
use crate::task::Tasks;

pub(super) fn run(tasks: &Tasks) -> anyhow::Result<()> {
    say(asyncapi::text(&tasks.forms()).trim_end())
}
