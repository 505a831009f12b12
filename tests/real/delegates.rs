//! Components that delegate their authentication post to the path of the Kubernetes API, with client-go.

use serde_json::json;

use crate::support::{Authority, Countersign, OidcProvider, RESOURCE, Rig, Settings, Verdict, delegate, kubeconfig};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn typed_client_gets_its_verdict_in_every_version_and_encoding() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let file = countersign.api_path(&rig);
    let good = provider.tokens.with(RESOURCE, json!({"sub": "alice", "groups": ["dev", "ops"], "jti": "typed"})).await;
    let expired =
        provider.tokens.with(RESOURCE, json!({"sub": "alice", "iat": 1_000_000_000, "exp": 1_000_000_600})).await;
    let user = json!({
        "username": "alice",
        "groups": ["dev", "ops"],
        "extra": {"authentication.kubernetes.io/credential-id": ["JTI=typed"]},
    });

    for version in ["-version=v1", "-version=v1beta1"] {
        for encoding in ["-json=false", "-json=true"] {
            let flags = [version, encoding].map(str::to_owned);
            let asked = [&flags[..], &[format!("-audience={RESOURCE}")]].concat();
            let verdict = async |flags: &[String], token| Verdict::of(&delegate(&file, flags, token).await.unwrap());
            let for_audience = Verdict::Accepted { user: user.clone(), audiences: json!([RESOURCE]) };
            assert_eq!(verdict(&asked, &good).await, for_audience, "{flags:?}");
            assert_eq!(verdict(&flags, &good).await.username(), Some("alice"), "{flags:?}");
            assert_eq!(verdict(&asked, &expired).await, Verdict::Refused, "{flags:?}");
            assert_eq!(verdict(&flags, "junk").await, Verdict::Refused, "{flags:?}");
            let elsewhere = [&flags[..], &["-audience=https://elsewhere.test".to_owned()]].concat();
            assert_eq!(verdict(&elsewhere, &good).await, Verdict::Refused, "{flags:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn callers_without_a_certificate_of_the_callers_authority_get_no_verdict() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let good = provider.tokens.of("alice").await;
    let stranger = Authority::new(rig.folder(), "strangers-ca").client("stranger", None);

    for (name, identity) in [("nobody", None), ("stranger", Some(&stranger))] {
        let file = kubeconfig::write(&rig, name, &countersign.url(), &rig.servers, identity);
        let refusal = delegate(&file, &[], &good).await.expect_err(name);
        assert!(!refusal.contains(&good), "{name}: the token is in {refusal}");
    }
    assert_eq!(countersign.reviews().await, 0, "reviews were decided for strangers");
}
