//! What others say, made fit to be kept and shown.

/// The longest sentence that is kept of an error, in bytes.
pub(super) const LONGEST_ERROR: usize = 8 * 1024;

/// An error's sentence as it is kept: its beginning, where it is long.
#[must_use]
pub fn shortened(error: &str) -> String {
    shortened_to(LONGEST_ERROR, error)
}

/// The beginning of a text that is longer than so many bytes.
pub(super) fn shortened_to(longest: usize, text: &str) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest);
    format!("{}…", &text[..end])
}

/// A text without what moves a cursor, or cannot be stored.
#[must_use]
pub fn readable(text: &str) -> String {
    let mut readable = String::new();
    for c in text.chars() {
        if c.is_control() {
            readable.extend(c.escape_default());
        } else {
            readable.push(c);
        }
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_error_the_beginning_is_kept() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(LONGEST_ERROR);
        let kept = shortened(&long);
        assert!(kept.len() <= LONGEST_ERROR + '…'.len_utf8() && kept.ends_with('…'));
    }
}
