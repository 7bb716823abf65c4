//! What helps people to type: completions and manual pages.

use std::process::{Command, Output};

use crate::support::DataDir;

fn ringback(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringback"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_shell_can_read_its_completions() {
    let script = ringback(&["completions", "bash"]);
    assert!(script.status.success(), "{script:?}");
    let folder = DataDir::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    let file = folder.path().join("ringback.bash");
    std::fs::write(&file, &script.stdout).unwrap();
    // What bash itself offers after `ringback jobs l`.
    let ask = "source \"$1\"; COMP_WORDS=(ringback jobs l) COMP_CWORD=2; \
               _ringback ringback l jobs; echo \"${COMPREPLY[*]}\"";
    let offered = Command::new("bash")
        .args(["-c", ask, "bash"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&offered.stdout).trim(), "list");

    let unknown = ringback(&["completions", "command.com"]);
    assert!(!unknown.status.success());
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = DataDir::new();
    let written = ringback(&["man", folder.path().to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    for command in ["ringback", "ringback-dev", "ringback-jobs-list"] {
        let page = std::fs::read_to_string(folder.path().join(format!("{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
}
