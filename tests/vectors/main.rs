//! The token layer against published test vectors: Wycheproof, JSONTestSuite, the RFC 7520 cookbook and the Big List
//! of Naughty Strings.
//!
//! The data is not part of this repository. It is looked for in the folder that `COUNTERSIGN_VECTORS` names, else in
//! `../shared/vectors` next to the checkout; without it these tests say so and pass.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "these are tests, also outside of the functions marked as such"
)]

mod cookbook;
mod json_suite;
mod naughty_strings;
mod wycheproof_jose;
mod wycheproof_primitives;

use std::path::PathBuf;

use countersign::jose::{AlgorithmSet, CompactJws, KeyRefusal, KeySet, KeySetError, Unparsable};
use serde_json::{Value, json};

/// The folder with the vectors, or `None` with a line about it.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no test vectors in {}", folder.display());
    None
}

/// A file of the vectors, as text.
fn text(path: &str) -> Option<String> {
    folder().map(|folder| std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// A file of the vectors, as JSON.
fn document(path: &str) -> Option<Value> {
    text(path).map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// What the signature layer says about a token and a key set.
#[derive(Debug, PartialEq)]
enum Outcome {
    BadSignature,
    KeySet(KeySetError),
    NoKey(KeyRefusal),
    SignatureOk,
    Unparsable(Unparsable),
}

/// Takes a token as far as its signature, by the keys of a JWK or a JWKS.
fn signature_outcome(jwk_or_set: &Value, token: &str) -> Outcome {
    let set = if jwk_or_set.get("keys").is_some() { jwk_or_set.clone() } else { json!({"keys": [jwk_or_set]}) };
    let keys = match KeySet::parse(set.to_string().as_bytes()) {
        Ok(keys) => keys,
        Err(error) => return Outcome::KeySet(error),
    };
    let jws = match CompactJws::parse(token) {
        Ok(jws) => jws,
        Err(unparsable) => return Outcome::Unparsable(unparsable),
    };
    match keys.select(jws.header(), AlgorithmSet::default()) {
        Err(refusal) => Outcome::NoKey(refusal),
        Ok(key) => jws.verify(key).map_or(Outcome::BadSignature, |()| Outcome::SignatureOk),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "hexadecimal has an even number of digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
