//! The status of an answer: the first field of its head (RFC 9113 section 8.3.2), in HPACK without a dynamic table (RFC 7541).

/// The status that a header block begins with.
pub(super) fn first(block: &[u8]) -> Option<u16> {
    match *block.first()? {
        // The table's size is confirmed first (section 6.3).
        byte if byte & 0xe0 == 0x20 => first(block.get(1..)?),
        // One of those that the static table has (appendix A).
        byte if byte & 0x80 != 0 => match byte & 0x7f {
            8 => Some(200),
            9 => Some(204),
            10 => Some(206),
            11 => Some(304),
            12 => Some(400),
            13 => Some(404),
            14 => Some(500),
            _ => None,
        },
        // A literal whose name is at 8 to 14, however it wants to be remembered.
        byte => {
            let mask = if byte & 0xc0 == 0x40 { 0x3f } else { 0x0f };
            (8..=14).contains(&(byte & mask)).then_some(())?;
            text(block.get(1..)?)
        }
    }
}

/// Three digits, plain or in Huffman's code.
fn text(bytes: &[u8]) -> Option<u16> {
    let (length, text) = bytes.split_first()?;
    let text = text.get(..usize::from(length & 0x7f))?;
    let digits = if length & 0x80 == 0 { text.to_vec() } else { decoded(text)? };
    let text = std::str::from_utf8(&digits).ok().filter(|text| text.len() == 3)?;
    text.parse().ok()
}

/// Digits in Huffman's code (appendix B): 0, 1 and 2 have five bits, the others six.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    const SHORT: u64 = 3;
    const FIRST_LONG: u64 = 0x19;
    if bytes.len() > 3 {
        return None;
    }
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut left = 8 * bytes.len();
    let mut digits = Vec::new();
    while digits.len() < 3 {
        let peek = |width: usize| left.checked_sub(width).map(|rest| (bits >> rest) & ((1 << width) - 1));
        let (digit, width) = match peek(5)? {
            short if short < SHORT => (short, 5),
            _ => (peek(6)?.checked_sub(FIRST_LONG)? + SHORT, 6),
        };
        digits.push(b'0' + u8::try_from(digit).ok().filter(|digit| *digit < 10)?);
        left -= width;
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_every_way_that_it_can_be_written() {
        for (block, expected) in [
            (&[0x88, 0x5f][..], Some(200)),
            (&[0x20, 0x88], Some(200)),
            (&[0x8c], Some(400)),
            (&[0x48, 3, b'2', b'0', b'1'], Some(201)),
            (&[0x08, 3, b'4', b'0', b'1'], Some(401)),
            (&[0x18, 3, b'5', b'0', b'3'], Some(503)),
            // RFC 7541 appendix C.6.1 and C.6.2.
            (&[0x48, 0x82, 0x64, 0x02], Some(302)),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], Some(307)),
            (&[0x82], None),
            (&[0x48, 3, b'2', b'0'], None),
            (&[0x48, 0x82, 0xff, 0xff], None),
            (&[], None),
        ] {
            assert_eq!(first(block), expected, "{block:x?}");
        }
    }

    #[test]
    fn every_digit_has_its_code() {
        let codes = [0, 1, 2, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f];
        for (digit, code) in (0_u8..).zip(codes) {
            let width = if digit < 3 { 5 } else { 6 };
            // The digit, then 0 and 0, then ones to the end of the byte.
            let bits: u32 = (code << 10) << (24 - width - 10) | ((1 << (24 - width - 10)) - 1);
            let bytes = bits.to_be_bytes();
            assert_eq!(decoded(&bytes[1..]), Some(vec![b'0' + digit, b'0', b'0']), "{digit}");
        }
    }
}
