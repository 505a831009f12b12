//! The Big List of Naughty Strings in every place of a token where a string can be.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::clock::UnixTime;
use countersign::jose::{AlgorithmSet, CompactJws, Excerpt, KeySet, UnverifiedToken};
use countersign::providers::oidc::{Facts, Outcome, Policy, Refusal, TokenProfile, Trail, judge};
use serde_json::{Value, json};

use crate::document;

const NOW: u64 = 1_800_000_000;

struct Written(String);

impl Trail for Written {
    fn step(&mut self, facts: Facts<'_>, _: Outcome) {
        self.0 += &facts.to_string();
    }
}

fn token(pair: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

#[test]
fn b7_c8_no_string_breaks_anything() {
    let Some(strings) = document("blns/blns.json") else { return };
    let strings: Vec<&str> = strings.as_array().unwrap().iter().map(|string| string.as_str().unwrap()).collect();
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    for naughty in &strings {
        assert!(Excerpt(naughty).to_string().is_ascii());
        let _ = CompactJws::parse(naughty);

        // As a name that both sides agree on, every string that fits works; elsewhere it is refused or kept as it is.
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": naughty}]});
        let keys = KeySet::parse(set.to_string().as_bytes());
        assert_eq!(keys.is_ok(), naughty.len() <= 256, "{naughty}");
        let Ok(keys) = keys else { continue };
        let header = json!({"alg": "EdDSA", "kid": naughty});
        let mut claims = json!({"iss": naughty, "aud": [naughty], "sub": naughty, "exp": NOW + 1});
        if claims.get(naughty).is_none() {
            claims[naughty] = 1.into();
        }
        let policy = Policy {
            issuer: (*naughty).to_owned(),
            audiences: vec![(*naughty).to_owned()],
            algorithms: AlgorithmSet::default(),
            clock_skew: Duration::ZERO,
            profile: TokenProfile::Any,
        };
        let text = token(&pair, &header, &claims);
        let mut trail = Written(String::new());
        let parsed = UnverifiedToken::parse(&text).unwrap();
        let vouched = judge(parsed, &keys, &policy, UnixTime::from_seconds(NOW), &mut trail).unwrap();
        assert_eq!(vouched.get("sub").and_then(Value::as_str), Some(*naughty));
        assert_eq!(vouched.audiences(), [*naughty]);
        assert!(trail.0.chars().all(|character| (' '..='~').contains(&character)), "{}", trail.0);

        // As a kind or an algorithm, none is known.
        for name in ["typ", "alg", "cty"] {
            let mut header = header.clone();
            header[name] = (*naughty).into();
            let text = token(&pair, &header, &claims);
            let Ok(parsed) = UnverifiedToken::parse(&text) else { continue };
            let judged = judge(parsed, &keys, &policy, UnixTime::from_seconds(NOW), &mut Written(String::new()));
            assert_eq!(judged.is_ok(), name == "cty", "{name}: {naughty}");
            assert!(name == "cty" || matches!(judged, Err(Refusal::Reject(_))), "{name}: {naughty}");
        }
    }
    println!("naughty strings: {}", strings.len());
    assert_eq!(strings.len(), 515);
}
