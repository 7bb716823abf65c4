//! The units of systemd.

use std::collections::BTreeMap;
use std::process::Command;

use super::{
    default_of, finds_nothing, is_a_command, longest_stop, read, root, scratch, settings, time,
};

const NAMES: [&str; 3] = [
    "ringback-gateway.service",
    "ringback-migrate.service",
    "ringback-worker@.service",
];

/// Where the units have the program.
const PROGRAM: &str = "/usr/local/bin/ringback";

/// How exposed a unit may be, in tenths of systemd's own measure: 0 is not at all, and from 50 on it warns.
const EXPOSURE: u32 = 20;

/// What a unit says, by key.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = read(&format!("deploy/systemd/{name}"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for (key, value) in lines.filter_map(|line| line.split_once('=')) {
        said.entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    said
}

#[test]
fn systemd_finds_no_fault_with_the_units_and_they_are_hardly_exposed() {
    let (_folder, path) = scratch();
    let present = std::fs::read_dir(root().join("deploy/systemd")).unwrap();
    assert_eq!(present.count(), NAMES.len());
    for name in NAMES {
        let text = read(&format!("deploy/systemd/{name}"));
        assert!(text.contains(PROGRAM), "{name}");
        // It looks whether the program is there.
        let here = text.replace(PROGRAM, env!("CARGO_BIN_EXE_ringback"));
        std::fs::write(path.join(name), here).unwrap();
    }
    let analyze = || {
        let mut command = Command::new("systemd-analyze");
        command.current_dir(&path).env("SYSTEMD_COLORS", "0");
        command
    };
    // Of units that ours name and that are not here, nothing is known.
    finds_nothing(
        analyze()
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(NAMES),
    );
    for name in NAMES {
        finds_nothing(
            analyze()
                .args(["security", "--offline=yes", "--no-pager"])
                .arg(format!("--threshold={EXPOSURE}"))
                .arg(name),
        );
    }
}

#[test]
fn every_setting_and_command_in_the_units_is_one_of_the_program() {
    let settings = settings();
    for name in NAMES {
        let unit = unit(name);
        let words: Vec<&str> = unit["ExecStart"][0].split(' ').collect();
        assert_eq!(words[0], PROGRAM, "{name}");
        assert!(is_a_command(&words[1..]), "{name}: {words:?}");
        assert_eq!(unit["EnvironmentFile"][0], "/etc/ringback/ringback.env");
        assert_eq!(unit["DynamicUser"], ["yes"]);
        for line in unit.get("Environment").into_iter().flatten() {
            for assignment in line.split(' ') {
                let (setting, _) = assignment.split_once('=').unwrap();
                assert!(settings.contains(setting), "{name}: {setting}");
            }
        }
    }
}

#[test]
fn what_stays_is_stopped_gently_and_comes_back_when_it_fails() {
    let connections: u64 = default_of("RINGBACK_MAX_CONNECTIONS").parse().unwrap();
    for name in ["ringback-gateway.service", "ringback-worker@.service"] {
        let unit = unit(name);
        let is = |key: &str, value: &str| assert_eq!(unit[key], [value], "{name}: {key}");
        is("KillSignal", "SIGTERM");
        // Commands are ended by their worker, which lets them finish.
        is("KillMode", "mixed");
        is("Restart", "on-failure");
        is("StartLimitIntervalSec", "0");
        let patience = time(&unit["TimeoutStopSec"][0]);
        assert!(patience >= longest_stop(), "{name}: {patience:?}");
        let files: u64 = unit["LimitNOFILE"][0].parse().unwrap();
        assert!(files > 2 * connections, "{name}: {files}");
    }
}
