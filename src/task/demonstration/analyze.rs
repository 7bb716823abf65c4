//! The demonstration task `analyze`: counts, with Python's notions of a character, a word and a letter.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Counts characters, words, vowels and consonants.
pub(super) fn analyze(content: &str) -> String {
    let characters = content.chars().count();
    let words = content
        .split(is_space)
        .filter(|word| !word.is_empty())
        .count();
    let lower = content.to_lowercase();
    let vowels = lower.chars().filter(|&letter| is_vowel(letter)).count();
    let consonants = lower
        .chars()
        .filter(|&letter| is_letter(letter) && !is_vowel(letter))
        .count();
    format!(
        "📊 Analysis of '{content}':\n\
         • Characters: {characters}\n\
         • Words: {words}\n\
         • Vowels: {vowels}\n\
         • Consonants: {consonants}"
    )
}

/// What Python's `str.split` splits at: white space, and the four separators that Unicode does not count as such.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.isalpha`: the general category is a letter. (Rust's `is_alphabetic` also takes marks and numerals.)
fn is_letter(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Letter
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(content: &str) -> Vec<usize> {
        let text = analyze(content);
        let counts = text
            .lines()
            .rev()
            .take(4)
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap());
        counts.collect::<Vec<_>>().into_iter().rev().collect()
    }

    #[test]
    fn the_text_is_the_demonstrations() {
        assert_eq!(
            analyze("Hello world"),
            "📊 Analysis of 'Hello world':\n• Characters: 11\n• Words: 2\n• Vowels: 3\n• Consonants: 7"
        );
    }

    #[test]
    fn counts_are_pythons() {
        // Each checked against len, split and isalpha of Python 3.11.
        assert_eq!(counts(""), [0, 0, 0, 0]);
        assert_eq!(counts("a\u{1f}b\u{a0}c"), [5, 3, 1, 2]);
        assert_eq!(counts("été ½ Ⅷ"), [7, 3, 0, 3]);
        assert_eq!(counts("İstanbul"), [8, 1, 3, 5]);
        assert_eq!(counts("नमस्ते"), [6, 1, 0, 4]);
        assert_eq!(counts("👨‍👩‍👧 ab"), [8, 2, 1, 1]);
    }
}
