//! A task that is a command: any program, which has the job's content as its input, and its output as the result.

use anyhow::bail;

use super::Kind;

/// What `tasks.toml` says of a command.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// The program and its arguments; no shell reads them.
    pub(super) command: Vec<String>,
}

impl Command {
    /// The task of this name.
    pub(super) fn kind(self, _name: &str) -> anyhow::Result<Kind> {
        if self.command.is_empty() {
            bail!(
                "the command is empty; name a program, such as command = [\"python3\", \"thumb.py\"]"
            );
        }
        bail!("commands cannot be run yet")
    }
}
