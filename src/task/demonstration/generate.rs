//! The demonstration task `generate`.

/// Answers by the keywords it finds.
pub(super) fn generate(content: &str) -> String {
    let lower = content.to_lowercase();
    let response = if lower.contains("weather") {
        "The weather is looking great today! Perfect for a walk outside.".to_owned()
    } else if lower.contains("food") || lower.contains("eat") {
        "I'd recommend trying that new restaurant downtown. Their pasta is excellent!".to_owned()
    } else if lower.contains("help") {
        "I'm here to help! Feel free to ask me anything you'd like to know.".to_owned()
    } else {
        format!(
            "That's an interesting point about '{content}'. Let me think about that... Based on my analysis, I would \
             suggest exploring this topic further through research and practical application."
        )
    };
    format!("🤖 AI Response to '{content}':\n{response}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keyword_decides() {
        assert_eq!(
            generate("Weather"),
            "🤖 AI Response to 'Weather':\nThe weather is looking great today! Perfect for a walk outside."
        );
        assert!(
            generate("great").contains("restaurant"),
            "'great' has 'eat' in it, as in the original"
        );
        assert!(generate("HELP me").contains("I'm here to help!"));
    }

    #[test]
    fn anything_else_is_an_interesting_point() {
        assert_eq!(
            generate("tea"),
            "🤖 AI Response to 'tea':\nThat's an interesting point about 'tea'. Let me think about that... Based on my \
             analysis, I would suggest exploring this topic further through research and practical application."
        );
    }
}
