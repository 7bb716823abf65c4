//! What it is deployed with: the image, the composition, the units, the balancer. Other people's programs check them, as
//! `script/bootstrap --tests` installs them, and what those cannot know is compared with the program itself.

mod compose;
mod image;
// Both are of Linux.
#[cfg(target_os = "linux")]
mod balancer;
#[cfg(target_os = "linux")]
mod units;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::contract::beside;
use crate::support::DataDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let read = std::fs::read_to_string(root().join(name));
    read.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A program that was installed for the tests, by pip.
fn installed(name: &str) -> Command {
    let mut command = Command::new(beside(&format!(".venv/bin/{name}")));
    command.current_dir(root());
    command
}

/// Runs what finds fault with something; it should find none, and says what it found.
#[track_caller]
fn finds_nothing(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}: {output:?}"
    );
}

/// Whether the program has this command with these options.
fn is_a_command(arguments: &[&str]) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    !arguments.is_empty() && output.status.success()
}

/// The names of all settings.
fn settings() -> BTreeSet<String> {
    let example = read(".env.example");
    let lines = example.lines();
    let set = lines.filter_map(|line| line.trim_start_matches("# ").split_once('='));
    let names = set.map(|(name, _)| name.to_owned());
    names
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect()
}

/// What a setting is when nobody says anything.
fn default_of(name: &str) -> String {
    let example = read(".env.example");
    let start = format!("# {name}=");
    let line = example.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{name} is no setting"))
        .to_owned()
}

/// A time as all of them write it, in one unit.
fn time(text: &str) -> Duration {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap();
    let number: u64 = text[..at].parse().unwrap();
    match &text[at..] {
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        unit => panic!("{unit:?} in {text:?}"),
    }
}

/// How long a stop may take: what is still running, and the goodbye after that.
fn longest_stop() -> Duration {
    time(&default_of("RINGBACK_SHUTDOWN_GRACE")) + Duration::from_secs(10)
}

/// Whether a path is left out by the rules of a file such as `.gitignore`; of their forms, those that ours have.
fn is_ignored(path: &str, rules: &str) -> bool {
    let mut ignored = false;
    for rule in rules.lines().filter(|rule| !rule.starts_with('#')) {
        let (rule, verdict) = match rule.strip_prefix('!') {
            Some(rule) => (rule, false),
            None => (rule, true),
        };
        let rule = rule.trim_matches('/');
        if !rule.is_empty() && (rule == "*" || Path::new(path).starts_with(rule)) {
            ignored = verdict;
        }
    }
    ignored
}

/// A folder of a test's own, for as long as what comes with it.
fn scratch() -> (DataDir, PathBuf) {
    let folder = DataDir::new();
    let path = folder.path().to_owned();
    std::fs::create_dir_all(&path).unwrap();
    (folder, path)
}
