//! What the tests ask of the machine that they run on.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

/// A port that nobody has here, for a program that cannot say which one it took.
///
/// Not one of those that the system gives to whoever connects: somebody might have it before the program does.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| fastrand::u16(20_000..32_000));
    ports.find(is_free).expect("it goes on until it finds one")
}

/// Whether the tests run as root, as which some programs refuse to work.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where a program is, also if it is one for administrators, whose folder is not on everybody's path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join(name));
    programs.find(|program| program.exists())
}
