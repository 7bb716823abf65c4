//! The demonstration task `translate`.

/// Translates the four phrases it knows, and marks the rest.
pub(super) fn translate(content: &str) -> String {
    let known = match content.to_lowercase().as_str() {
        "hello" => Some("hola"),
        "world" => Some("mundo"),
        "good morning" => Some("buenos días"),
        "thank you" => Some("gracias"),
        _ => None,
    };
    let translated = known.map_or_else(|| format!("[TRANSLATED: {content}]"), str::to_owned);
    format!("🌍 Translated: '{content}' → '{translated}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_phrase_is_translated_in_any_case_of_its_letters() {
        assert_eq!(translate("hello"), "🌍 Translated: 'hello' → 'hola'");
        assert_eq!(
            translate("Good Morning"),
            "🌍 Translated: 'Good Morning' → 'buenos días'"
        );
    }

    #[test]
    fn an_unknown_phrase_is_marked() {
        assert_eq!(
            translate("hello "),
            "🌍 Translated: 'hello ' → '[TRANSLATED: hello ]'"
        );
    }
}
