//! What the benches of single pieces work on: a token as providers issue them, the review that asks about it, the user that it
//! stands for, and an authenticator that takes every token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::authn::standing::Ground;
use countersign::authn::{
    Accepted, Authenticator, Basis, Deadline, Decision, IssuerName, PackedUser, Standing, UserInfo,
};
use countersign::clock::UnixTime;
use countersign::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use countersign::jose::{AlgorithmSet, KeySet};
use countersign::providers::oidc::{Policy, TokenProfile};
use countersign::token::BearerToken;
use serde_json::json;

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ISSUER: &str = "https://idp.example.com";

/// A token, and the keys that it is verified with.
pub(crate) fn token(algorithm: Algorithm) -> (BearerToken, KeySet) {
    let key = Arc::new(SigningKey::generate(algorithm, "key").expect("aws-lc-rs makes keys"));
    let token = TokenBuilder::new(&key)
        .issuer(ISSUER)
        .subject("alice")
        .audience("kubernetes")
        .issued_at(NOW)
        .expires_at(NOW.saturating_add(Duration::from_secs(3600)))
        .claim("email", "alice@example.com")
        .groups(&["developers", "operators"]);
    let keys = KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).expect("a set of one good key");
    (token.mint(), keys)
}

/// What the token must be like.
pub(crate) fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec!["kubernetes".to_owned()],
        algorithms: AlgorithmSet::default(),
        clock_skew: Duration::ZERO,
        profile: TokenProfile::Any,
    }
}

/// The bytes that the API server sends.
pub(crate) fn review(token: &BearerToken) -> Vec<u8> {
    let token = token.expose_secret();
    let text = format!(
        r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{{}},"spec":{{"token":"{token}","audiences":["https://kubernetes.default.svc"]}},"status":{{"user":{{}}}}}}"#
    );
    text.into_bytes()
}

/// What the cache remembers of the token.
pub(crate) fn accepted() -> Accepted {
    let user = UserInfo {
        username: "oidc:alice@example.com".to_owned(),
        groups: vec!["oidc:developers".to_owned(), "oidc:operators".to_owned()],
        ..UserInfo::default()
    };
    let now = Instant::now();
    let ground = Ground::new(now);
    ground.extend_to(now + Duration::from_secs(24 * 3600));
    let standing = Standing::on(ground, 0);
    let basis = Basis { issuer: IssuerName::new(ISSUER), audiences: vec!["kubernetes".to_owned()], standing };
    Accepted { user: PackedUser::from(&user), not_after: UnixTime::MAX, basis: Arc::new(basis) }
}

/// An authenticator that takes every token.
pub(crate) struct Everybody(pub(crate) Accepted);

impl Authenticator for Everybody {
    async fn authenticate(&self, _token: &BearerToken, _deadline: Deadline) -> Decision {
        Decision::Accept(self.0.clone())
    }
}
