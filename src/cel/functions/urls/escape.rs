//! Percent signs in the parts of a URL.

/// A part of a URL, each with its own characters that stand for themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Fragment,
    Host,
    Path,
    Query,
    User,
    /// The zone of an IPv6 address.
    Zone,
}

/// Whether a byte is to be escaped when this part is written.
pub(super) fn is_escaped(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let allowed: &[u8] = match part {
        Part::Fragment => b"$&+,/:;=?@!()*",
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::Path => b"$&+,/:;=@",
        Part::Query => b"",
        Part::User => b"$&+,;=",
    };
    !allowed.contains(&byte)
}

/// The bytes that are meant; `None` when there is a `%` without two digits, or something that cannot be in this part.
pub(super) fn undone(text: &[u8], part: Part) -> Option<Vec<u8>> {
    let mut meant = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                let byte = high << 4 | low;
                // In a host only other characters than those of ASCII can be escaped.
                let is_bad = match part {
                    Part::Host => byte < 0x80 && byte != b'%',
                    Part::Zone => byte != b'%' && byte != b' ' && is_escaped(byte, Part::Host),
                    _ => false,
                };
                if is_bad {
                    return None;
                }
                meant.push(byte);
            }
            b'+' if part == Part::Query => meant.push(b' '),
            byte if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && is_escaped(byte, part) => return None,
            byte => meant.push(byte),
        }
    }
    Some(meant)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// Writes a part.
pub(super) fn done(bytes: &[u8], part: Part) -> String {
    let mut written = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_escaped(*byte, part) {
            written.push_str(&format!("%{byte:02X}"));
        } else {
            written.push(char::from(*byte));
        }
    }
    written
}

/// Whether a path or fragment can stay as it is written.
pub(super) fn is_valid(text: &str, part: Part) -> bool {
    text.bytes().all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || !is_escaped(byte, part))
}
