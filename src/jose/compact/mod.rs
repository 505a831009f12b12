//! The compact form of a signed token: `header.payload.signature`, each part strict base64url.
//!
//! Two different strings never mean the same token here (no padding, no whitespace, no second alphabet, no spare
//! bits), or a token that was revoked or remembered by its text could come back in another spelling. Sizes are
//! checked before anything is decoded.
//!
//! Next: [`UnverifiedToken`](super::UnverifiedToken) reads the payload as claims.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::header::Header;
use super::json::{self, JsonError, Limits};
use super::key::Key;
use super::signature::BadSignature;
use crate::authn::reason::Reason;
use crate::token::{BearerToken, WipedBytes};

/// Why a text is not a token that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparsable {
    /// It is no JOSE object at all. Only who issued it could say what it means.
    Opaque,
    /// It is one, and it must not be accepted, whoever signed it.
    Refused(Reason),
}

impl From<Reason> for Unparsable {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// A signed object in compact form, taken apart. Nothing in it is verified; the payload may be any bytes.
pub struct CompactJws<'t> {
    signing_input: &'t str,
    header: Header,
    payload: Vec<u8>,
    // Without it, what is left of a token in memory cannot be used.
    signature: WipedBytes,
}

impl<'t> CompactJws<'t> {
    /// Takes a bearer token apart.
    pub fn parse(token: &'t str) -> Result<Self, Unparsable> {
        Self::parse_within(token, BearerToken::MAX_BYTES)
    }

    /// Takes a token apart that is no longer than so many bytes.
    pub fn parse_within(token: &'t str, max_bytes: usize) -> Result<Self, Unparsable> {
        if token.len() > max_bytes {
            return Err(Unparsable::Refused(Reason::Oversized));
        }
        let (first, rest) = token.split_once('.').unwrap_or((token, ""));
        let header = header(first)?;
        let (Some((payload, signature)), Some((signing_input, _))) = (rest.split_once('.'), token.rsplit_once('.'))
        else {
            return Err(Unparsable::Refused(Reason::Malformed));
        };
        if signature.contains('.') {
            let five_parts = signature.split('.').take(4).count() == 3;
            return Err(Unparsable::Refused(if five_parts { Reason::Encrypted } else { Reason::Malformed }));
        }
        let payload = decode(payload).ok_or(Reason::Malformed)?;
        let signature = WipedBytes::from(decode(signature).ok_or(Reason::Malformed)?);
        Ok(Self { signing_input, header, payload, signature })
    }

    /// The header, as strict as [`Header`] is.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload's bytes, whoever wrote them.
    #[must_use]
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies the signature over the bytes as they were received.
    pub fn verify(&self, key: &Key) -> Result<(), BadSignature> {
        let algorithm = self.header.unverified_algorithm().ok_or(BadSignature)?;
        key.verify(algorithm, self.signing_input.as_bytes(), &self.signature)
    }

    pub(super) fn into_header(self) -> Header {
        self.header
    }
}

impl fmt::Debug for CompactJws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactJws({} bytes)", self.signing_input.len() + 1 + self.signature.len())
    }
}

/// Decodes base64url of exactly one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Reads the first part. Whether the text is a JOSE object is decided here: its first part is the base64url of a
/// JSON object, or begins as nothing but such a part does.
fn header(first: &str) -> Result<Header, Unparsable> {
    // What `{"` followed by a letter encodes to. A random text begins so once in 200,000 times.
    const OBJECT_START: &str = "eyJ";
    const MAX_ENCODED: usize = (Header::MAX_BYTES * 4).div_ceil(3);
    let unless_opaque = |reason| match first.starts_with(OBJECT_START) || first.starts_with('{') {
        true => Unparsable::Refused(reason),
        false => Unparsable::Opaque,
    };
    if first.len() > MAX_ENCODED {
        return Err(unless_opaque(Reason::Oversized));
    }
    let bytes = decode(first).ok_or_else(|| unless_opaque(Reason::Malformed))?;
    if let Some(header) = Header::of_usual_form(&bytes) {
        return Ok(header);
    }
    let members = json::object(&bytes, &Limits::STANDARD).map_err(|error| match error {
        JsonError::NotAnObject | JsonError::Syntax => unless_opaque(Reason::Malformed),
        JsonError::Duplicate => Unparsable::Refused(Reason::DuplicateMember),
        JsonError::TooDeep | JsonError::TooMany => Unparsable::Refused(Reason::Oversized),
    })?;
    Ok(Header::from_members(members)?)
}

#[cfg(test)]
mod tests;
