//! Tokens that are good unless told otherwise: every deviation is one line.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::{Algorithm, KeyError, SigningKey};
use crate::clock::UnixTime;
use crate::token::BearerToken;

/// A token in the making. It starts as one that its issuer would hand out; call it off the path to test a refusal.
///
/// ```text
/// issuer.token(now).audience("other").mint()
/// issuer.token(now).claim("groups", json!("not a list")).header("crit", json!(["b64"])).mint()
/// ```
#[derive(Clone)]
#[must_use = "a token is made by `mint`"]
pub struct TokenBuilder {
    key: Arc<SigningKey>,
    algorithm: Algorithm,
    header: Part,
    claims: Part,
    seal: Seal,
}

/// Header or claims: built member by member, or given as they are.
#[derive(Clone)]
enum Part {
    Members(Map<String, Value>),
    Raw(Vec<u8>),
}

#[derive(Clone)]
enum Seal {
    Given(Vec<u8>),
    Hmac(Vec<u8>),
    Key,
}

impl TokenBuilder {
    /// A token with a key's `kid` and `alg` in its header and nothing in its claims.
    pub fn new(key: &Arc<SigningKey>) -> Self {
        let (header, claims) = (Part::Members(Map::new()), Part::Members(Map::new()));
        let builder = Self { key: Arc::clone(key), algorithm: key.algorithm(), header, claims, seal: Seal::Key };
        builder.header("typ", "JWT").signed_by(key)
    }

    /// Signs with another key, under that key's `kid` and `alg`.
    pub fn signed_by(mut self, key: &Arc<SigningKey>) -> Self {
        self.key = Arc::clone(key);
        self.seal = Seal::Key;
        self.kid(key.kid()).algorithm(key.algorithm())
    }

    /// Puts an algorithm into the header and signs with it, if the key can; if it cannot, the header lies.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self.header("alg", algorithm.name())
    }

    /// Names another key in the header; the signing key stays.
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// `alg: none` and an empty signature.
    pub fn unsigned(self) -> Self {
        self.header("alg", "none").signature(b"")
    }

    /// Takes these bytes as the signature, whatever the header says.
    pub fn signature(mut self, bytes: &[u8]) -> Self {
        self.seal = Seal::Given(bytes.to_vec());
        self
    }

    /// `alg: HS256` with this secret, for instance a public key: algorithm confusion.
    pub fn hmac(mut self, secret: &[u8]) -> Self {
        self.seal = Seal::Hmac(secret.to_vec());
        self.header("alg", "HS256")
    }

    /// Sets a member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.set(name, value.into());
        self
    }

    /// Takes a member out of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Takes these bytes as the header, instead of all members set before or after.
    pub fn raw_header(mut self, bytes: &[u8]) -> Self {
        self.header = Part::Raw(bytes.to_vec());
        self
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.set(name, value.into());
        self
    }

    /// Takes a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Takes these bytes as the claims, instead of all claims set before or after.
    pub fn raw_claims(mut self, bytes: &[u8]) -> Self {
        self.claims = Part::Raw(bytes.to_vec());
        self
    }

    /// `iss`
    pub fn issuer(self, url: &str) -> Self {
        self.claim("iss", url)
    }

    /// `sub`
    pub fn subject(self, name: &str) -> Self {
        self.claim("sub", name)
    }

    /// `aud`, a single one.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// `aud`, a list.
    pub fn audiences(self, audiences: &[&str]) -> Self {
        self.claim("aud", audiences)
    }

    /// `groups`
    pub fn groups(self, groups: &[&str]) -> Self {
        self.claim("groups", groups)
    }

    /// `iat`
    pub fn issued_at(self, time: UnixTime) -> Self {
        self.claim("iat", time.seconds())
    }

    /// `nbf`
    pub fn not_before(self, time: UnixTime) -> Self {
        self.claim("nbf", time.seconds())
    }

    /// `exp`
    pub fn expires_at(self, time: UnixTime) -> Self {
        self.claim("exp", time.seconds())
    }

    /// Signs the token.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn try_mint(&self) -> Result<BearerToken, KeyError> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut token = format!("{}.{}", encode(&self.header.bytes()), encode(&self.claims.bytes()));
        let signature = match &self.seal {
            Seal::Given(bytes) => bytes.clone(),
            Seal::Hmac(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, token.as_bytes()).as_ref().to_vec()
            }
            Seal::Key => self.key.sign(self.algorithm, token.as_bytes())?,
        };
        token.push('.');
        token.push_str(&encode(&signature));
        Ok(BearerToken::new(token))
    }

    /// Signs the token.
    ///
    /// # Panics
    /// If the cryptographic library fails. Where that must not happen, use [`Self::try_mint`].
    #[must_use]
    pub fn mint(&self) -> BearerToken {
        self.try_mint().expect("a key that was made can sign")
    }
}

impl Part {
    fn set(&mut self, name: &str, value: Value) {
        if let Self::Members(members) = self {
            members.insert(name.to_owned(), value);
        }
    }

    fn remove(&mut self, name: &str) {
        if let Self::Members(members) = self {
            members.remove(name);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Members(members) => serde_json::to_vec(members).expect("JSON values have a JSON form"),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> Arc<SigningKey> {
        Arc::new(SigningKey::generate(Algorithm::Es256, "k1").unwrap())
    }

    /// Header and claims of a token, and the bytes of its signature.
    fn open(token: &BearerToken) -> (Value, Value, Vec<u8>) {
        let parts: Vec<Vec<u8>> =
            token.expose_secret().split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let [header, claims, signature] = <[_; 3]>::try_from(parts).unwrap();
        (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&claims).unwrap(), signature)
    }

    #[test]
    fn a_deviation_changes_one_member() {
        let now = UnixTime::from_seconds(1_800_000_000);
        let token = TokenBuilder::new(&key()).audience("a").groups(&["x", "y"]).expires_at(now).claim("n", 1).mint();
        let (header, claims, signature) = open(&token);
        assert_eq!(header, json!({"typ": "JWT", "alg": "ES256", "kid": "k1"}));
        assert_eq!(claims, json!({"aud": "a", "groups": ["x", "y"], "exp": 1_800_000_000, "n": 1}));
        assert_eq!(signature.len(), 64);
    }

    #[test]
    fn members_can_be_taken_out_or_replaced_as_a_whole() {
        let builder = TokenBuilder::new(&key()).subject("alice");
        let (header, claims, _) = open(&builder.clone().without_header("kid").without_claim("sub").mint());
        assert_eq!((header, claims), (json!({"typ": "JWT", "alg": "ES256"}), json!({})));
        let (header, claims, _) = open(&builder.raw_header(b"[1]").raw_claims(b"\"x\"").kid("ignored").mint());
        assert_eq!((header, claims), (json!([1]), json!("x")));
    }

    #[test]
    fn an_unsigned_token_has_no_signature() {
        let token = TokenBuilder::new(&key()).unsigned().mint();
        assert_eq!(open(&token).0["alg"], "none");
        assert!(token.expose_secret().ends_with('.'));
    }

    #[test]
    fn a_confused_token_carries_the_hmac_of_its_secret() {
        let token = TokenBuilder::new(&key()).hmac(b"public key").mint();
        let signature = open(&token).2;
        let message = token.expose_secret().rsplit_once('.').unwrap().0;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, b"public key");
        hmac::verify(&secret, message.as_bytes(), &signature).unwrap();
    }
}
