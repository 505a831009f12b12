//! One entry of a key set: a [`Key`] that is fit for use, or why not.
//!
//! Key material is checked when it is loaded, so that verification never has to ask whether a key is sound. An entry
//! that is no use (another purpose, an unknown type, broken) says so and harms no other entry.

mod second_reader;
mod skipped;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::compact::decode;
use super::header::Header;
use super::key::{Key, KeyKind};
use super::weak_keys;

pub use skipped::{SkipReason, Skipped};

/// A usable entry.
#[derive(Debug)]
pub struct Jwk {
    /// The public key.
    pub key: Key,
    /// Whether the entry also published members of the private key.
    pub has_private_members: bool,
}

impl Jwk {
    /// The shortest RSA modulus: below it, factoring is within reach.
    pub const MIN_RSA_BITS: usize = 2048;
    /// The longest RSA modulus. Verification time grows with its square; no provider uses more than 4096.
    pub const MAX_RSA_BITS: usize = 4096;

    /// Reads one entry of `keys`.
    pub fn parse(entry: &Value) -> Result<Self, Skipped> {
        let Some(members) = entry.as_object() else {
            return Err(Skipped { kid: None, why: SkipReason::Malformed });
        };
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= Header::MAX_KID_BYTES => Some(kid.clone()),
            Some(_) => return Err(Skipped { kid: None, why: SkipReason::Malformed }),
        };
        let key = public_key(members, kid.clone()).map_err(|why| Skipped { kid, why })?;
        let has_private_members =
            ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| members.contains_key(*name));
        Ok(Self { key, has_private_members })
    }
}

fn public_key(members: &Map<String, Value>, kid: Option<String>) -> Result<Key, SkipReason> {
    let kty = string(members, "kty")?;
    if kty == "oct" {
        return Err(SkipReason::Symmetric);
    }
    if !is_for_signatures(members)? {
        return Err(SkipReason::NotForSignatures);
    }
    let key = match kty {
        "RSA" => rsa(members, kid),
        "EC" => ec(members, kid),
        "OKP" => okp(members, kid),
        _ => Err(SkipReason::UnsupportedType),
    }?;
    if second_reader::agrees(members) { Ok(key) } else { Err(SkipReason::Malformed) }
}

/// RFC 7517 sections 4.2 and 4.3: both members are optional, and each that is there must fit.
fn is_for_signatures(members: &Map<String, Value>) -> Result<bool, SkipReason> {
    let used = match members.get("use") {
        None => true,
        Some(Value::String(purpose)) => purpose == "sig",
        Some(_) => return Err(SkipReason::Malformed),
    };
    let operable = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(SkipReason::Malformed),
    };
    Ok(used && operable)
}

/// The algorithms that the entry may be used with: all of its kind, or the one that it names.
fn algorithms(members: &Map<String, Value>, kind: KeyKind) -> Result<&'static [Algorithm], SkipReason> {
    let all = kind.algorithms();
    match members.get("alg") {
        None => Ok(all),
        Some(Value::String(name)) => Algorithm::from_name(name)
            .and_then(|named| all.iter().position(|algorithm| *algorithm == named))
            .and_then(|position| all.get(position..=position))
            .ok_or(SkipReason::AlgorithmUnfit),
        Some(_) => Err(SkipReason::Malformed),
    }
}

fn rsa(members: &Map<String, Value>, kid: Option<String>) -> Result<Key, SkipReason> {
    // Some providers write the sign byte of their big integers; the number is the same without it.
    let n = bytes(members, "n")?;
    let n = without_leading_zeros(&n);
    let e = bytes(members, "e")?;
    let e = without_leading_zeros(&e);
    let bits = bit_length(n);
    if bits < Jwk::MIN_RSA_BITS {
        return Err(SkipReason::RsaTooShort);
    }
    if bits > Jwk::MAX_RSA_BITS {
        return Err(SkipReason::RsaTooLong);
    }
    if bit_length(e) > 32 || !is_odd(e) || *e == [1] {
        return Err(SkipReason::RsaExponent);
    }
    if !is_odd(n) {
        return Err(SkipReason::Malformed);
    }
    if weak_keys::has_roca_fingerprint(n) {
        return Err(SkipReason::RsaRoca);
    }
    let algorithms = algorithms(members, KeyKind::Rsa { bits })?;
    Key::rsa(kid, n, e, bits, algorithms).ok_or(SkipReason::Malformed)
}

fn ec(members: &Map<String, Value>, kid: Option<String>) -> Result<Key, SkipReason> {
    let (kind, coordinate_bytes) = match string(members, "crv")? {
        "P-256" => (KeyKind::P256, 32),
        "P-384" => (KeyKind::P384, 48),
        "P-521" => (KeyKind::P521, 66),
        _ => return Err(SkipReason::UnsupportedCurve),
    };
    algorithms(members, kind)?;
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(SkipReason::PointInvalid);
    }
    Key::ec(kid, kind, &x, &y).ok_or(SkipReason::PointInvalid)
}

fn okp(members: &Map<String, Value>, kid: Option<String>) -> Result<Key, SkipReason> {
    if string(members, "crv")? != "Ed25519" {
        return Err(SkipReason::UnsupportedCurve);
    }
    algorithms(members, KeyKind::Ed25519)?;
    let x: [u8; 32] = bytes(members, "x")?.try_into().map_err(|_| SkipReason::PointInvalid)?;
    if weak_keys::is_small_order_or_not_canonical(&x) {
        return Err(SkipReason::SmallOrder);
    }
    Key::ed25519(kid, &x).ok_or(SkipReason::PointInvalid)
}

fn string<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, SkipReason> {
    members.get(name).and_then(Value::as_str).ok_or(SkipReason::Malformed)
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, SkipReason> {
    decode(string(members, name)?).ok_or(SkipReason::Malformed)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.split_at(zeros).1
}

/// The length of a big-endian number without leading zero bytes.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

#[cfg(test)]
mod tests;
