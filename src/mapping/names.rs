//! What a name must not be: a deception of whoever reads it, or one that Kubernetes gives a meaning of its own.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::authn::Reason;

/// The longest user name, group, uid or extra value, in bytes.
pub(super) const MAX_BYTES: usize = 1024;

/// The prefix of Kubernetes' own users and groups.
const RESERVED: &str = "system:";

/// Refuses names that are too long, start or end with a space, or hold characters that cannot be seen.
pub(crate) fn check(name: &str) -> Result<(), Reason> {
    if name.len() > MAX_BYTES {
        return Err(Reason::Oversized);
    }
    let padded = name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace);
    if padded || name.chars().any(is_invisible) {
        return Err(Reason::IdentityInvalid);
    }
    Ok(())
}

/// Whether a name starts with `system:`, or looks to a reader as if it did. Kubernetes compares bytes, so look-alikes
/// have no power; but they are made to be taken for the real ones.
pub(crate) fn is_reserved(name: &str) -> bool {
    let mut folded = name.nfkc().flat_map(char::to_lowercase).map(plain).skip_while(|c| c.is_whitespace());
    RESERVED.chars().all(|wanted| folded.next() == Some(wanted))
}

/// Control and format characters (bidirectional overrides, joiners, zero-width spaces), line separators, unassigned.
fn is_invisible(character: char) -> bool {
    !character.is_ascii_graphic()
        && character != ' '
        && matches!(
            get_general_category(character),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::Surrogate
                | GeneralCategory::Unassigned
        )
}

/// Letters and colons of other scripts that are drawn like those of `system:`.
const fn plain(character: char) -> char {
    match character {
        '\u{0455}' => 's',
        '\u{0443}' | '\u{04af}' | '\u{03b3}' => 'y',
        '\u{0435}' => 'e',
        '\u{0442}' | '\u{03c4}' => 't',
        '\u{043c}' => 'm',
        '\u{02d0}' | '\u{02f8}' | '\u{0589}' | '\u{05c3}' | '\u{2236}' | '\u{a789}' | '\u{fe55}' | '\u{ff1a}' => ':',
        other => other,
    }
}
