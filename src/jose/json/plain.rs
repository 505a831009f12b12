//! Strings as nearly everybody writes them: without escapes, so that reading one is finding its end.
//!
//! For readers that compare a document with the form that they expect, and leave whatever is otherwise to the general one.

/// The string that `bytes` begin with, and what follows it. `None` if there is none, if it has an escape, or if it is no
/// JSON string in UTF-8.
#[must_use]
pub fn string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let bytes = bytes.strip_prefix(b"\"")?;
    let (content, rest) = bytes.split_at_checked(memchr::memchr2(b'"', b'\\', bytes)?)?;
    let rest = rest.strip_prefix(b"\"")?;
    // Looks at all of them: that is faster than to stop at the first.
    let has_controls = content.iter().fold(false, |found, byte| found | (*byte < b' '));
    if has_controls { None } else { Some((std::str::from_utf8(content).ok()?, rest)) }
}
