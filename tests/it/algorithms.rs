//! Every signature algorithm from the key set to the answer, and the setting that allows fewer.

use std::sync::Arc;

use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, Issuer, IssuerOptions, SigningKey};
use serde_json::json;

use crate::support::{Rig, Settings, accepted, refused};

/// A service in front of an issuer with one key for each algorithm.
async fn rig(deviate: impl FnOnce(&mut Settings)) -> (Rig, Vec<Arc<SigningKey>>) {
    let first = IssuerOptions::default();
    let issuer = Issuer::start(first, SystemClock.now()).await.unwrap();
    let keys: Vec<_> = Algorithm::ALL.into_iter().map(|algorithm| issuer.rotate(algorithm).unwrap()).collect();
    let rig = Rig::launch(issuer, deviate).await;
    rig.until_ready().await;
    (rig, keys)
}

#[tokio::test]
async fn a1_every_algorithm_is_accepted_with_its_own_key_and_no_other() {
    let (rig, keys) = rig(|_| {}).await;
    for key in &keys {
        for algorithm in Algorithm::ALL {
            let token = rig.token().signed_by(key).algorithm(algorithm).mint();
            let expected = if algorithm == key.algorithm() { accepted("oidc:alice") } else { refused() };
            let answer = rig.caller.review(&token).await;
            assert_eq!(answer, expected, "{} under a key for {}", algorithm.name(), key.algorithm().name());
        }
    }
    assert_eq!(rig.reviews("accept", "ok").await, 10.0);
    assert_eq!(rig.reviews("reject", "algorithm_mismatch").await, 90.0);
}

#[tokio::test]
async fn a2_ed25519_is_known_by_both_of_its_names_in_tokens_and_in_keys() {
    let (rig, keys) = rig(|_| {}).await;
    let key = keys.iter().find(|key| key.algorithm() == Algorithm::EdDsa).unwrap();
    let token = |name: &str| rig.token().signed_by(key).header("alg", name).mint();
    for in_key in ["EdDSA", "Ed25519"] {
        let mut jwk = key.jwk();
        jwk["alg"] = json!(in_key);
        rig.issuer.publish(json!({"keys": [jwk, rig.issuer.key().jwk()]}).to_string());
        rig.clock.advance(std::time::Duration::from_secs(31));
        let _ = rig.caller.review(&rig.token().kid(in_key).mint()).await;
        for name in ["EdDSA", "Ed25519"] {
            assert_eq!(rig.caller.review(&token(name)).await, accepted("oidc:alice"), "{name} by a key for {in_key}");
        }
        for name in ["eddsa", "ED25519", "Ed448"] {
            assert_eq!(rig.caller.review(&token(name)).await, refused(), "{name}");
        }
    }
}

#[tokio::test]
async fn a1_a_key_without_alg_is_good_for_the_algorithms_of_its_type_and_curve() {
    let (rig, keys) = rig(|_| {}).await;
    let jwks: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.jwk();
            jwk.as_object_mut().unwrap().remove("alg");
            jwk
        })
        .collect();
    rig.issuer.publish(json!({"keys": jwks}).to_string());
    let _ = rig.caller.review(&rig.token().kid("refresh").mint()).await;
    let is_rsa = |algorithm: Algorithm| algorithm.name().starts_with("RS") || algorithm.name().starts_with("PS");
    for key in &keys {
        for algorithm in Algorithm::ALL {
            let fits = algorithm == key.algorithm() || (is_rsa(algorithm) && is_rsa(key.algorithm()));
            let expected = if fits { accepted("oidc:alice") } else { refused() };
            let token = rig.token().signed_by(key).algorithm(algorithm).mint();
            let what = (algorithm.name(), key.algorithm().name());
            assert_eq!(rig.caller.review(&token).await, expected, "{what:?}");
        }
    }
}

#[tokio::test]
async fn a1_e13_only_the_configured_algorithms_are_taken_whatever_the_issuer_announces() {
    let (mut rig, keys) = rig(|settings| settings.of_issuer()["signingAlgorithms"] = json!(["RS256", "ES384"])).await;
    for key in &keys {
        let name = key.algorithm().name();
        let expected = if ["RS256", "ES384"].contains(&name) { accepted("oidc:alice") } else { refused() };
        assert_eq!(rig.caller.review(&rig.token().signed_by(key).mint()).await, expected, "{name}");
    }
    assert_eq!(rig.reviews("reject", "algorithm_not_allowed").await, 8.0);

    rig.reconfigure(|settings| settings.of_issuer()["signingAlgorithms"] = json!(["Ed25519"]));
    for key in &keys {
        let expected = if key.algorithm() == Algorithm::EdDsa { accepted("oidc:alice") } else { refused() };
        assert_eq!(rig.caller.review(&rig.token().signed_by(key).mint()).await, expected);
    }
}

#[tokio::test]
async fn a2_unsigned_and_symmetric_tokens_are_refused() {
    let (rig, keys) = rig(|_| {}).await;
    for name in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RSA1_5", "ES256K", "RS1", "", "rs256"] {
        let token = rig.token().unsigned().header("alg", name).mint();
        assert_eq!(rig.caller.review(&token).await, refused(), "{name}");
    }
    for key in &keys {
        let der = key.public_key_der().unwrap();
        for secret in [der.as_slice(), key.jwk().to_string().as_bytes(), b""] {
            assert_eq!(rig.caller.review(&rig.token().kid(key.kid()).hmac(secret).mint()).await, refused());
        }
    }
    assert_eq!(rig.reviews("accept", "ok").await, 0.0);
}

#[tokio::test]
async fn a4_b9_keys_are_judged_one_by_one_when_they_are_loaded() {
    let issuer = crate::support::issuer().await;
    let long = Arc::new(SigningKey::generate_sized(Algorithm::Rs256, "rsa-4096", 4096).unwrap());
    let off_curve = {
        let mut jwk = issuer.key().jwk();
        jwk["y"] = jwk["x"].clone();
        jwk["kid"] = json!("off-curve");
        jwk
    };
    let short = json!({"kty": "RSA", "kid": "short", "e": "AQAB", "n": "wJENcRev-eXZKvhhWLiV3Lz2MvO-naQRHo59g3vaNQnb"});
    let encrypting = {
        let mut jwk = issuer.key().jwk();
        jwk["use"] = json!("enc");
        jwk["kid"] = json!("encrypting");
        jwk
    };
    let set = json!({"keys": [off_curve, long.jwk(), short, encrypting, issuer.key().jwk()]});
    issuer.publish(set.to_string());
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_ready().await;
    assert_eq!(rig.metric(&format!("countersign_key_set_keys{{issuer=\"{}\"}}", rig.issuer.url())).await, 2.0);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&rig.token().signed_by(&long).mint()).await, accepted("oidc:alice"));
    for unfit in ["off-curve", "short", "encrypting"] {
        assert_ne!(rig.caller.review(&rig.token().kid(unfit).mint()).await, accepted("oidc:alice"), "{unfit}");
    }
}
