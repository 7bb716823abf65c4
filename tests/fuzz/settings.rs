//! Settings, and the file that they may stand in.

use std::cell::Cell;

use clap::{CommandFactory, Parser};
use ringback::cli::Cli;

use crate::corpus;

#[test]
fn any_value_of_any_setting_is_taken_or_refused_with_a_reason() {
    let command = Cli::command();
    let mut options = Vec::new();
    for verb in ["dev", "worker", "token"] {
        let verb = command.find_subcommand(verb).unwrap();
        let long = verb
            .get_arguments()
            .filter_map(|argument| argument.get_long());
        options.extend(long.map(|long| (verb.get_name().to_owned(), long.to_owned())));
    }
    assert!(options.len() > 40, "{}", options.len());
    let turn = Cell::new(0);
    corpus::each("settings", |bytes| {
        let text = String::from_utf8_lossy(bytes).replace('\0', "");
        let line = text.lines().next().unwrap_or_default();
        let value = line.split_once('=').map_or(line, |(_, value)| value);
        // One after the other: reading a whole command line takes its time.
        let (verb, option) = &options[turn.get() % options.len()];
        turn.set(turn.get() + 1);
        let given = format!("--{option}={value}");
        if let Err(error) = Cli::try_parse_from(["ringback", verb, &given, "alice"]) {
            assert!(!error.to_string().is_empty());
        }
    });
}

#[test]
fn a_file_of_settings_is_read_or_refused() {
    corpus::each("settings", |bytes| {
        for setting in dotenvy::from_read_iter(bytes) {
            match setting {
                Ok((name, _)) => assert!(!name.is_empty()),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    });
}
