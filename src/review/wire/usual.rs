//! A TokenReview in the very bytes that kube-apiserver writes: members in their order, nothing beside them, no escapes.
//!
//! Nearly every review is one, and then reading is comparing. This decides nothing: whatever is otherwise by a byte is left
//! to [`json`](super::json), and what is read here is what would be read there.

use std::borrow::Cow;

use super::{MAX_AUDIENCES, Parts};
use crate::jose::json::plain::string;

/// The review in `body`, if it is written as kube-apiserver does (`k8s.io/api` `authentication/v1` types through
/// `encoding/json`).
pub(super) fn read(body: &[u8]) -> Option<Parts<'_>> {
    let rest = body.strip_prefix(br#"{"kind":"TokenReview","apiVersion":"#)?;
    let (api_version, rest) = string(rest)?;
    let rest = rest.strip_prefix(br#","metadata":{"#)?;
    // API servers before 1.33 write a time that is not there.
    let rest = rest.strip_prefix(br#""creationTimestamp":null"#).unwrap_or(rest);
    let rest = rest.strip_prefix(br#"},"spec":{"token":"#)?;
    let (token, rest) = string(rest)?;
    let (audiences, rest) = match rest.strip_prefix(br#","audiences":["#) {
        Some(rest) => strings(rest)?,
        None => (Vec::new(), rest),
    };
    let rest = rest.strip_prefix(br#"},"status":{"user":{}}}"#)?;
    matches!(rest, b"" | b"\n").then(|| Parts {
        api_version: Some(Cow::Borrowed(api_version)),
        kind: Some(Cow::Borrowed("TokenReview")),
        token: Some(token.to_owned()),
        audiences,
    })
}

/// The strings of a list that is not empty, and what follows its end.
fn strings(mut bytes: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let mut strings = Vec::with_capacity(1);
    while strings.len() < MAX_AUDIENCES {
        let (text, rest) = string(bytes)?;
        strings.push(text.to_owned());
        match rest.split_first()? {
            (b',', rest) => bytes = rest,
            (b']', rest) => return Some((strings, rest)),
            _ => return None,
        }
    }
    None
}
