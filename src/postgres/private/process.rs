//! What a process is, as far as its pid tells: pids are used again, so a pid alone tells nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::user::User;

/// Whether a living process is a server that has `data` as its own, as a server does from its first moment.
///
/// It is the server's user who asks: even root may not see where others work inside some containers.
pub(super) fn is_server_in(user: &User, pid: u32, data: &Path) -> Result<bool> {
    let (mut asking, mark) = if Path::new("/proc/self").exists() {
        let mut readlink = user.command("readlink");
        readlink.args([format!("/proc/{pid}/cwd"), format!("/proc/{pid}/exe")]);
        (readlink, "")
    } else {
        let mut lsof = user.command("lsof");
        lsof.args(["-a", "-d", "cwd,txt", "-F", "n", "-p", &pid.to_string()]);
        (lsof, "n")
    };
    let output = asking
        .output()
        .with_context(|| format!("cannot ask where the process {pid} works"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths: Vec<&Path> = said
        .lines()
        .filter_map(|line| line.strip_prefix(mark).map(Path::new))
        .collect();
    // Of a package that was upgraded meanwhile it is `postgres (deleted)`.
    let is_postgres = |path: &&Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("postgres")
    };
    Ok(paths.iter().any(|path| is_same(path, data)) && paths.iter().any(is_postgres))
}

/// Whether two paths lead to one folder.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some_and(|found| Some(found) == identity(other))
}
