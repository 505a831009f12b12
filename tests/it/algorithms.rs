//! What decides which algorithm a token may be signed with: the key, what the key set says of it, and the configuration.

use std::sync::{Arc, LazyLock};

use countersign::dev::issuer::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::support::{Rig, Settings, accepted, issuer, refused};

/// An RSA key takes long to make, and can sign with six algorithms.
static RSA: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::generate(Algorithm::Rs256, "rsa").unwrap()));

/// A key for every algorithm: one for all of RSA.
fn keys() -> Vec<(Algorithm, Arc<SigningKey>)> {
    let key = |algorithm: Algorithm| match algorithm {
        Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => {
            Arc::new(SigningKey::generate(algorithm, algorithm.name()).unwrap())
        }
        _ => Arc::clone(&RSA),
    };
    Algorithm::ALL.into_iter().map(|algorithm| (algorithm, key(algorithm))).collect()
}

/// A key set with these keys under their algorithms' names.
fn key_set(keys: &[(Algorithm, Arc<SigningKey>)], edit: impl Fn(&mut Value)) -> String {
    let jwks = keys.iter().map(|(algorithm, key)| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(algorithm.name());
        jwk["alg"] = json!(algorithm.name());
        edit(&mut jwk);
        jwk
    });
    json!({"keys": jwks.collect::<Vec<_>>()}).to_string()
}

/// A service in front of an issuer that publishes this key set.
async fn rig(key_set: String, deviate: impl FnOnce(&mut Settings)) -> Rig {
    let issuer = issuer().await;
    issuer.publish(key_set);
    let rig = Rig::launch(issuer, deviate).await;
    rig.until_ready().await;
    rig
}

#[tokio::test]
async fn a1_a_key_without_alg_is_good_for_the_algorithms_of_its_type_and_curve() {
    let keys = keys();
    let rig = rig(key_set(&keys, |jwk| drop(jwk.as_object_mut().unwrap().remove("alg"))), |_| {}).await;
    let is_rsa = |algorithm: Algorithm| algorithm.name().starts_with("RS") || algorithm.name().starts_with("PS");
    for (name, key) in &keys {
        for algorithm in Algorithm::ALL {
            let fits = algorithm == *name || (is_rsa(algorithm) && is_rsa(*name));
            let expected = if fits { accepted("oidc:alice") } else { refused() };
            let token = rig.token().signed_by(key).kid(name.name()).algorithm(algorithm).mint();
            assert_eq!(rig.caller.review(&token).await, expected, "{} by {}", algorithm.name(), name.name());
        }
    }
}

#[tokio::test]
async fn a1_e13_only_the_configured_algorithms_are_taken_whatever_the_issuer_announces() {
    let keys = keys();
    let allow = |settings: &mut Settings| settings.of_issuer()["signingAlgorithms"] = json!(["RS256", "ES384"]);
    let mut rig = rig(key_set(&keys, |_| {}), allow).await;
    let token = |rig: &Rig, (algorithm, key): &(Algorithm, Arc<SigningKey>)| {
        rig.token().signed_by(key).kid(algorithm.name()).algorithm(*algorithm).mint()
    };
    for key in &keys {
        let name = key.0.name();
        let expected = if ["RS256", "ES384"].contains(&name) { accepted("oidc:alice") } else { refused() };
        assert_eq!(rig.caller.review(&token(&rig, key)).await, expected, "{name}");
    }
    assert_eq!(rig.reviews("reject", "algorithm_not_allowed").await, 8.0);

    rig.reconfigure(|settings| settings.of_issuer()["signingAlgorithms"] = json!(["Ed25519"]));
    for key in &keys {
        let expected = if key.0 == Algorithm::EdDsa { accepted("oidc:alice") } else { refused() };
        assert_eq!(rig.caller.review(&token(&rig, key)).await, expected, "{}", key.0.name());
    }
}

#[tokio::test]
async fn a2_ed25519_is_known_by_both_of_its_names_in_tokens_and_in_keys() {
    let key = Arc::new(SigningKey::generate(Algorithm::EdDsa, "ed25519").unwrap());
    for in_key in ["EdDSA", "Ed25519"] {
        let mut jwk = key.jwk();
        jwk["alg"] = json!(in_key);
        let rig = rig(json!({"keys": [jwk]}).to_string(), |_| {}).await;
        let token = |name: &str| rig.token().signed_by(&key).header("alg", name).mint();
        for name in ["EdDSA", "Ed25519"] {
            assert_eq!(rig.caller.review(&token(name)).await, accepted("oidc:alice"), "{name} by a key for {in_key}");
        }
        for name in ["eddsa", "ED25519", "Ed448"] {
            assert_eq!(rig.caller.review(&token(name)).await, refused(), "{name}");
        }
    }
}

#[tokio::test]
async fn a4_b9_keys_are_judged_one_by_one_when_they_are_loaded() {
    let issuer = issuer().await;
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
    let set = json!({"keys": [off_curve, RSA.jwk(), short, encrypting, issuer.key().jwk()]});
    issuer.publish(set.to_string());
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_ready().await;
    assert_eq!(rig.metric(&format!("countersign_key_set_keys{{issuer=\"{}\"}}", rig.issuer.url())).await, 2.0);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&rig.token().signed_by(&RSA).mint()).await, accepted("oidc:alice"));
    for unfit in ["off-curve", "short", "encrypting"] {
        assert_ne!(rig.caller.review(&rig.token().kid(unfit).mint()).await, accepted("oidc:alice"), "{unfit}");
    }
}
