//! A bearer token on its way through: never printed, bounded in size, wiped when it is dropped.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A token as the API server received it. It has no `Display`, and `Debug` prints only its length. Clones share the
/// text, so that verifying in the background copies nothing; the last one wipes it.
#[derive(Clone)]
pub struct BearerToken(Arc<Zeroizing<String>>);

impl BearerToken {
    /// The longest token that is looked at, in bytes. Providers stay far below it, and so do the header limits of
    /// the API servers that tokens pass through.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Takes the text over. Its size is judged where the token is judged, so that the refusal has a reason.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The token's text. Keep it out of logs, errors, metrics and answers.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Whether it is longer than [`Self::MAX_BYTES`].
    #[must_use]
    pub fn is_oversized(&self) -> bool {
        self.0.len() > Self::MAX_BYTES
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerToken({} bytes)", self.0.len())
    }
}

impl From<&str> for BearerToken {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}
