//! A task that is an HTTP function: a request for each job, whose response is the result.

use anyhow::bail;

use super::Kind;

/// What `tasks.toml` says of an HTTP function.
#[derive(Clone, Debug)]
pub(super) struct Function {
    /// Where it is.
    pub(super) url: String,
}

impl Function {
    /// The task of this name.
    pub(super) fn kind(self, _name: &str) -> anyhow::Result<Kind> {
        bail!("functions such as {} cannot be called yet", self.url)
    }
}
