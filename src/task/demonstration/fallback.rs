//! The demonstration task `default`, which runs what no other task is named for.

/// Answers in capitals.
pub(super) fn process(content: &str) -> String {
    format!("✅ Processed: {}", content.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_becomes_capitals() {
        assert_eq!(process("straße"), "✅ Processed: STRASSE");
    }
}
