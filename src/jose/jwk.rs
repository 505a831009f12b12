//! One entry of a key set: a [`Key`] that is fit for use, or why not.
//!
//! Key material is checked when it is loaded, so that verification never has to ask whether a key is sound. An entry
//! that is no use (another purpose, an unknown type, broken) says so and harms no other entry.

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::compact::decode;
use super::excerpt::Excerpt;
use super::header::Header;
use super::key::{Key, KeyKind};
use super::weak_keys;

/// An entry that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, if it has a valid one.
    pub kid: Option<String>,
    /// Why it is not used.
    pub why: SkipReason,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key {}: {}", Excerpt(kid), self.why.sentence()),
            None => write!(f, "a key without `kid`: {}", self.why.sentence()),
        }
    }
}

/// Why an entry is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// `alg` is not a signature algorithm of this type of key.
    AlgorithmUnfit,
    /// Another key has the same `kid` for the same algorithm.
    Conflict,
    /// A member is missing, mistyped, or not base64url.
    Malformed,
    /// `use` or `key_ops` give it another purpose.
    NotForSignatures,
    /// The point is not on the curve, or a coordinate has the wrong length.
    PointInvalid,
    /// The RSA exponent is even, 1, or beyond 32 bits.
    RsaExponent,
    /// The RSA modulus comes from the broken generator known as ROCA.
    RsaRoca,
    /// The RSA modulus is longer than what is verified here.
    RsaTooLong,
    /// The RSA modulus is too short.
    RsaTooShort,
    /// The Ed25519 point is of small order: signatures by it prove nothing.
    SmallOrder,
    /// It is a shared secret, which has no place in a public key set.
    Symmetric,
    /// A curve that is not supported.
    UnsupportedCurve,
    /// A key type that is not supported.
    UnsupportedType,
}

impl SkipReason {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlgorithmUnfit => "algorithm_unfit",
            Self::Conflict => "conflict",
            Self::Malformed => "malformed",
            Self::NotForSignatures => "not_for_signatures",
            Self::PointInvalid => "point_invalid",
            Self::RsaExponent => "rsa_exponent",
            Self::RsaRoca => "rsa_roca",
            Self::RsaTooLong => "rsa_too_long",
            Self::RsaTooShort => "rsa_too_short",
            Self::SmallOrder => "small_order",
            Self::Symmetric => "symmetric",
            Self::UnsupportedCurve => "unsupported_curve",
            Self::UnsupportedType => "unsupported_type",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::AlgorithmUnfit => "`alg` is not a signature algorithm that this type of key can be used with",
            Self::Conflict => "several different keys have this `kid` for the same algorithm, so none of them is used",
            Self::Malformed => "a member is missing, has the wrong JSON type, or is not base64url without padding",
            Self::NotForSignatures => "`use` is not `sig`, or `key_ops` lacks `verify`",
            Self::PointInvalid => "the point is not on the curve, or a coordinate has the wrong length",
            Self::RsaExponent => "the RSA exponent must be odd, at least 3 and below 2^32",
            Self::RsaRoca => "the RSA modulus has the fingerprint of the broken generator of CVE-2017-15361 (ROCA)",
            Self::RsaTooLong => "the RSA modulus is longer than 4096 bits",
            Self::RsaTooShort => "the RSA modulus is shorter than 2048 bits",
            Self::SmallOrder => "the Ed25519 key is a point of small order, or not in its canonical form",
            Self::Symmetric => "it is a symmetric key (`oct`), which must never be published",
            Self::UnsupportedCurve => "the curve is not P-256, P-384, P-521 or Ed25519",
            Self::UnsupportedType => "the key type is not RSA, EC or OKP",
        }
    }

    /// Whether a token signed by it is refused for good: the key is what it is, and asking the issuer again would not
    /// make it fit.
    #[must_use]
    pub const fn is_unfit_key(self) -> bool {
        matches!(
            self,
            Self::NotForSignatures | Self::RsaExponent | Self::RsaRoca | Self::RsaTooShort | Self::SmallOrder
        )
    }
}

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
    match kty {
        "RSA" => rsa(members, kid),
        "EC" => ec(members, kid),
        "OKP" => okp(members, kid),
        _ => Err(SkipReason::UnsupportedType),
    }
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
