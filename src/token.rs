//! A bearer token on its way through: never printed, bounded in size, wiped when it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A token as the API server received it. It has no `Display`, and `Debug` prints only its length. Clones share the
/// text, so that verifying in the background copies nothing; the last one wipes it.
#[derive(Clone)]
pub struct BearerToken(Arc<Text>);

impl BearerToken {
    /// The longest token that is looked at, in bytes. Providers stay far below it, and so do the header limits of
    /// the API servers that tokens pass through.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Takes the text over. Its size is judged where the token is judged, so that the refusal has a reason.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Text(text)))
    }

    /// The token's text. Keep it out of logs, errors, metrics and answers.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0.0
    }

    /// Whether it is longer than [`Self::MAX_BYTES`].
    #[must_use]
    pub fn is_oversized(&self) -> bool {
        self.0.0.len() > Self::MAX_BYTES
    }
}

/// The one copy of a token's text.
struct Text(String);

impl Drop for Text {
    fn drop(&mut self) {
        drop(WipedBytes::from(std::mem::take(&mut self.0).into_bytes()));
    }
}

/// Bytes that hold a secret for the time of a review, wiped when they are dropped.
///
/// `zeroize` by itself writes byte after byte, which took a tenth of the time of a remembered answer; this fills memory as
/// fast as the machine can, and keeps the compiler from leaving it out by the same crate's barrier.
#[derive(Default)]
pub struct WipedBytes(Vec<u8>);

impl From<Vec<u8>> for WipedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for WipedBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        // What lies behind the end was wiped before the end was moved, or never written.
        self.0.fill(0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerToken({} bytes)", self.0.0.len())
    }
}

impl From<&str> for BearerToken {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}
