//! Untrusted text, made fit for people's eyes: a `kid` or a claim in `explain`, in a report on a key set, in a log.

use std::fmt;

/// Shows the beginning of a text as a quoted string in ASCII, so that nothing in it can move the cursor, end the
/// line, reorder what is displayed or fill the screen.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a str);

impl Excerpt<'_> {
    /// Characters shown; identifiers that people choose are shorter.
    pub const MAX_CHARACTERS: usize = 80;
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        f.write_str("\"")?;
        for character in rest.by_ref().take(Self::MAX_CHARACTERS) {
            character.escape_default().fmt(f)?;
        }
        f.write_str(if rest.next().is_some() { "\"..." } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b7_plain_text_is_quoted() {
        assert_eq!(Excerpt("key-1").to_string(), "\"key-1\"");
    }

    #[test]
    fn b7_control_and_deceptive_characters_are_escaped() {
        assert_eq!(Excerpt("a\n\u{1b}[2J\"\u{202e}é\0").to_string(), r#""a\n\u{1b}[2J\"\u{202e}\u{e9}\u{0}""#);
    }

    #[test]
    fn b7_long_text_is_cut() {
        assert_eq!(Excerpt(&"k".repeat(81)).to_string(), format!("\"{}\"...", "k".repeat(80)));
        assert_eq!(Excerpt(&"k".repeat(80)).to_string(), format!("\"{}\"", "k".repeat(80)));
    }
}
