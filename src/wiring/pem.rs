//! PEM texts, by their blocks.

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a text, without what else is in it. As Go does, one that is cut off is left out.
#[must_use]
pub fn certificates(pem: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(pem);
    let blocks = text.split(BEGIN).skip(1).filter_map(|block| Some(block.split_once(END)?.0));
    blocks.flat_map(|inside| [BEGIN, inside, END, "\n"]).collect::<String>().into_bytes()
}

/// Whether there is a private key in a text.
#[must_use]
pub fn has_private_key(pem: &[u8]) -> bool {
    String::from_utf8_lossy(pem)
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_taken_and_everything_else_is_left() {
        let (one, two) = (format!("{BEGIN}\nAA==\n{END}\n"), format!("{BEGIN}\nBB==\n{END}\n"));
        let key = "-----BEGIN EC PRIVATE KEY-----\nKK==\n-----END EC PRIVATE KEY-----\n";
        let text = format!("subject: a\n{one}{key}{BEGIN}\nCUT\n{two}");
        assert_eq!(String::from_utf8(certificates(text.as_bytes())).unwrap(), one + &two);
        assert!(has_private_key(text.as_bytes()) && !has_private_key(two.as_bytes()));
        assert_eq!(certificates(key.as_bytes()), b"");
    }
}
