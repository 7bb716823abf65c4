//! How many files this process may have open: each socket is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many as the system lets a process allow itself. Many shells start programs with far fewer, so that old ones
/// that use `select` do not break.
pub(super) fn allow_all() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, all)
    {
        tracing::debug!(%error, "could not allow more open files");
    }
}
