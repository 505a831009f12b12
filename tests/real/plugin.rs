//! The whole chain: kubectl → countersign get-token → the provider, then kubectl → kube-apiserver → countersign.

use serde_json::{Value, json};

use crate::support::{ApiServer, Countersign, OidcProvider, RESOURCE, Reviews, Rig, Settings};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn kubectl_logs_in_through_the_plugin_and_is_known_to_the_cluster() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let write = |name: &str, text: &str| {
        let file = rig.folder().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let secret = write("client-secret", "not-a-secret-this-is-a-test\n");
    let authority = write("provider-ca.crt", &provider.issuer().authority);
    let sessions = rig.folder().join("sessions").to_str().unwrap().to_owned();

    for version in ["v1", "v1beta1"] {
        let plugin = json!({
            "apiVersion": format!("client.authentication.k8s.io/{version}"),
            "command": env!("CARGO_BIN_EXE_countersign"),
            "interactiveMode": "Never",
            "args": [
                "get-token",
                format!("--oidc-issuer-url={}", provider.issuer().url),
                "--oidc-client-id=svc",
                format!("--oidc-client-secret-file={secret}"),
                format!("--certificate-authority={authority}"),
                format!("--audience={RESOURCE}"),
                "--oidc-use-access-token",
                "--grant-type=client-credentials",
                format!("--token-cache-dir={sessions}"),
            ],
        });
        // The second run is answered from the session that the first one stored.
        for run in 1..=2 {
            let answer = cluster.kubectl.run_with_plugin(&plugin, &["auth", "whoami", "--output=json"]).await.unwrap();
            let review: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(review["status"]["userInfo"]["username"], "svc", "{version}, run {run}");
        }
    }
    assert_eq!(countersign.reviews().await, 1, "one session, one token, one review");
}
