//! How the client proves who it is (RFC 6749 section 2.3, RFC 7523 section 2.2).
//!
//! A secret goes into the `Authorization` header, encoded as the RFC says, and into the form only where the provider
//! announces that and not the header. Assertions are made or read anew for every request. Their audience is the issuer
//! alone: an assertion that names an endpoint can be sent on to that endpoint by whoever receives it.

use std::path::Path;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::header::HeaderValue;
use serde_json::json;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::FlowError;
use super::file;
use super::form::Form;
use crate::clock::UnixTime;
use crate::login::provider::Metadata;
use crate::login::settings::{ClientAuthentication, Settings};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion is used at once; a minute covers a slow network.
const ASSERTION_SECONDS: u64 = 60;

/// Adds the client's proof to a form, or returns it as a header.
pub(super) fn authenticate(
    settings: &Settings,
    metadata: &Metadata,
    now: UnixTime,
    form: Form,
) -> Result<(Form, Option<HeaderValue>), FlowError> {
    let id = settings.client_id.as_str();
    match &settings.client {
        ClientAuthentication::None => Ok((form.with("client_id", id), None)),
        ClientAuthentication::Secret(secret) => {
            let offers = |method: &str| metadata.client_authentication.iter().any(|offered| offered == method);
            if offers("client_secret_post") && !offers("client_secret_basic") {
                return Ok((form.with("client_id", id).with("client_secret", secret), None));
            }
            Ok((form, Some(basic(id, secret))))
        }
        ClientAuthentication::PrivateKey { file, kid } => {
            let assertion = sign_assertion(file, kid.as_deref(), id, metadata, now)?;
            Ok((with_assertion(form, id, &assertion), None))
        }
        ClientAuthentication::AssertionFile(file) => {
            let assertion = file::token(file)?;
            Ok((with_assertion(form, id, &assertion), None))
        }
    }
}

fn with_assertion(form: Form, id: &str, assertion: &str) -> Form {
    form.with("client_id", id).with("client_assertion_type", ASSERTION_TYPE).with("client_assertion", assertion)
}

/// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined, so a colon in one cannot move the border.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    pair.extend(byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.as_bytes()));
    let value = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).expect("base64 is fit for a header");
    value.set_sensitive(true);
    value
}

fn sign_assertion(
    file: &Path,
    kid: Option<&str>,
    client_id: &str,
    metadata: &Metadata,
    now: UnixTime,
) -> Result<Zeroizing<String>, FlowError> {
    let pem = file::text(file)?;
    let wrong = |why| FlowError::Key { file: file.to_owned(), why };
    let key = [EncodingKey::from_rsa_pem, EncodingKey::from_ec_pem, EncodingKey::from_ed_pem]
        .into_iter()
        .find_map(|read| read(pem.as_bytes()).ok())
        .ok_or_else(|| wrong("it is no PEM of an RSA, EC or Ed25519 private key in PKCS#8"))?;
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": metadata.issuer,
        "jti": random(),
        "iat": now.seconds(),
        "exp": now.seconds() + ASSERTION_SECONDS,
    });
    let is_wanted = |algorithm: &Algorithm| {
        let name = format!("{algorithm:?}");
        metadata.assertion_algorithms.is_empty() || metadata.assertion_algorithms.contains(&name)
    };
    // The key says which algorithms it can; the library refuses the others.
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA]
        .into_iter()
        .filter(is_wanted)
        .find_map(|algorithm| {
            let mut header = Header::new(algorithm);
            header.kid = kid.map(str::to_owned);
            encode(&header, &claims, &key).ok().map(Zeroizing::new)
        })
        .ok_or_else(|| wrong("the provider takes no signature that it can make; register a key of another kind"))
}

/// 256 bits that nobody can guess, in base64url.
pub(super) fn random() -> String {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice()).expect("the system has randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_encoded_before_it_is_joined() {
        let header = basic("my:client", "p%ss wörd");
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "my%3Aclient:p%25ss+w%C3%B6rd");
        assert!(header.is_sensitive());
    }

    #[test]
    fn k2_random_values_are_long_and_differ() {
        let (one, other) = (random(), random());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
    }
}
