//! Bytes that must not be seen: private keys and callers' tokens.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes. They are wiped when dropped, `Debug` prints only their length, and comparing takes as long for a
/// near miss as for a far one.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes. Keep them out of logs, errors, metrics and answers.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self::new(Zeroizing::new(bytes.to_vec()))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_debug_output_of_a_secret_is_its_length() {
        assert_eq!(format!("{:?}", Secret::from(&b"hunter2"[..])), "Secret(7 bytes)");
    }

    #[test]
    fn secrets_are_equal_when_every_byte_is() {
        let secret = Secret::from(&b"hunter2"[..]);
        assert_eq!(secret, Secret::from(&b"hunter2"[..]));
        assert_ne!(secret, Secret::from(&b"hunter3"[..]));
        assert_ne!(secret, Secret::from(&b"hunter"[..]));
    }
}
