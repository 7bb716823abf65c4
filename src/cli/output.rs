//! What a verb says to whoever asked.

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;

use super::exit::Exit;

/// Prints a line, or several: on a terminal as text and nothing more, elsewhere as it is. Where nobody reads any more
/// (`ringback url | true`), nothing is lost.
pub(super) fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{}", for_reader(&line.to_string())) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said.context("could not write to the standard output"),
    }
}

/// The same, without an end of the line, and at once; where nobody reads any more, that is the end.
pub(super) fn say_part(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let text = for_reader(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::Unread.into()),
        said => said.context("could not write to the standard output"),
    }
}

/// Says something beside what was asked for: to whoever sits there, and not to what reads the output.
pub(super) fn note(line: impl std::fmt::Display) {
    // Where nobody reads it, it is as good as said.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a value as a line of JSON, with what a terminal would obey escaped as JSON has it.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value).context("could not write it as JSON")?;
    say(escaped_json(&text))
}

/// The same in a list, which ends where nobody reads any more.
pub(super) fn list_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value).context("could not write it as JSON")?;
    say_part(&format!("{}\n", escaped_json(&text)))
}

fn for_reader(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        safe(text)
    } else {
        text.to_owned()
    }
}

/// JSON in which every command is written as an escape, which is the same JSON: commands can only stand in strings, and
/// the others that JSON knows are escaped already.
fn escaped_json(json: &str) -> String {
    let escape = |c: char| {
        if is_command(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            String::from(c)
        }
    };
    json.chars().map(escape).collect()
}

/// Text that somebody submitted, as text: nothing in it moves the cursor, changes colours or turns the direction of
/// reading. Lines stay lines.
pub(super) fn safe(text: &str) -> String {
    let escape = |c: char| match c {
        '\n' | '\t' => String::from(c),
        c if is_command(c) => c.escape_default().to_string(),
        c => String::from(c),
    };
    text.chars().map(escape).collect()
}

/// The same on one line, and not longer than `most` characters.
pub(super) fn on_one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (number, c) in text.chars().enumerate() {
        if number == most {
            line.push('…');
            break;
        }
        if c.is_control() || is_command(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Whether a terminal, or a reader's eye, takes it for more than a letter: control characters, and those that turn the
/// direction of reading or begin a line.
fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A table: columns under their heads, and nothing drawn, so that it is read by people and by `awk` alike.
pub(super) fn lines(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| on_one_line(cell, usize::MAX)));
    }
    table
        .lines()
        .map(|line| {
            let line = line.trim_end();
            line.strip_prefix(' ').unwrap_or(line).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(safe("a\u{1b}[31mb\r\u{9b}1m"), "a\\u{1b}[31mb\\r\\u{9b}1m");
        assert_eq!(safe("one\ntwo\tthree é 🎉"), "one\ntwo\tthree é 🎉");
        assert_eq!(safe("\u{202e}evil\u{2066}"), "\\u{202e}evil\\u{2066}");
    }

    #[test]
    fn json_stays_the_same_json_and_moves_nothing() {
        let text = "a\u{1b}[31m\u{9b}1m\u{7f}\u{202e}é\n";
        let json = escaped_json(&serde_json::to_string(text).unwrap());
        assert!(json.chars().all(|c| !is_command(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_cell_is_one_short_line() {
        assert_eq!(on_one_line("one\ntwo", 40), "one\\ntwo");
        assert_eq!(on_one_line("abcdef", 3), "abc…");
        assert_eq!(on_one_line("abc", 3), "abc");
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let rows = [
            vec!["1".to_owned(), "long word".to_owned()],
            vec!["22".to_owned(), String::new()],
        ];
        let lines = lines(&["a", "b"], rows);
        assert_eq!(lines.len(), 3);
        let place = lines[0].find('b').unwrap();
        assert_eq!(lines[1].find("long"), Some(place));
    }
}
