//! kubectl as the host of the plugin: what it tells the plugin in each way that it can be told to run it, and what many of
//! them do at once.

use serde_json::{Value, json};

use crate::support::{ApiServer, Countersign, OidcProvider, Person, Reviews, Rig, Settings, Stanza, User};

/// A cluster that knows a provider.
struct Cluster {
    server: ApiServer,
    _countersign: Countersign,
    provider: OidcProvider,
    rig: Rig,
}

impl Cluster {
    async fn start() -> Self {
        let rig = Rig::new();
        let provider = OidcProvider::start(&rig).await;
        let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
        let countersign = Countersign::start(&rig, &settings).await;
        let server = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
        Self { server, _countersign: countersign, provider, rig }
    }

    /// A person who uses kubectl, whose home is also the plugin's.
    fn user(&self) -> User {
        User::at(self.server.kubectl.home())
    }
}

fn username(answer: &str) -> String {
    let review: Value = serde_json::from_str(answer).unwrap();
    review["status"]["userInfo"]["username"].as_str().unwrap().to_owned()
}

const WHOAMI: [&str; 3] = ["auth", "whoami", "--output=json"];

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn every_way_that_kubectl_runs_the_plugin() {
    let cluster = Cluster::start().await;
    let kubectl = &cluster.server.kubectl;
    let stanza = Stanza::machine(&cluster.rig, &cluster.provider).and(["-v".to_owned()]);

    for version in ["v1", "v1beta1"] {
        for (mode, with_cluster) in [("Never", false), ("IfAvailable", true), ("Never", true), ("IfAvailable", false)] {
            let exec = stanza.exec(version, json!({"interactiveMode": mode, "provideClusterInfo": with_cluster}));
            let run = kubectl.with_plugin(&exec, &WHOAMI).await;
            assert_eq!((run.code, username(&run.stdout).as_str()), (Some(0), "svc"), "{run:?}");
            let server = if with_cluster { kubectl.server() } else { "a cluster that it does not name" };
            // Without a terminal nobody can be asked, whatever the mode.
            let said = format!(
                "countersign: run by a Kubernetes client for {server}, in client.authentication.k8s.io/{version}; nobody can be asked\n"
            );
            assert!(run.stderr.starts_with(&said), "{mode}, {with_cluster}: {run:?}");
        }
        // kubectl itself refuses: the plugin is not run.
        let always = stanza.exec(version, json!({"interactiveMode": "Always"}));
        let run = kubectl.with_plugin(&always, &WHOAMI).await;
        assert!(run.code == Some(1) && !run.stderr.contains("countersign:"), "{run:?}");

        for (mode, person) in [("Always", "a person can"), ("IfAvailable", "a person can"), ("Never", "nobody can")] {
            let exec = stanza.exec(version, json!({"interactiveMode": mode}));
            let run = kubectl.with_plugin_at_terminal(&exec, &["auth", "whoami"]).await;
            assert_eq!(run.code, Some(0), "{run:?}");
            assert!(run.stdout.contains(&format!("{version}; {person} be asked")), "{mode}: {run:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn one_stanza_and_the_clusters_extension_log_in_by_hand_and_in_kubectl() {
    let cluster = Cluster::start().await;
    let (kubectl, issuer) = (&cluster.server.kubectl, cluster.provider.issuer());
    let machine = Stanza::machine(&cluster.rig, &cluster.provider);
    // What differs from cluster to cluster is the cluster's to say.
    let stanza = machine.without("--oidc-issuer-url").without("--certificate-authority").without("--audience");
    let stanza = stanza.without("--oidc-client-id").without("--grant-type").without("--oidc-use-access-token");
    let extension = json!({"issuer": issuer.url, "clientId": "svc", "audience": "urn:api:es256", "useAccessToken": true,
        "grant": "client-credentials", "scopes": [],
        "certificateAuthorityData": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &issuer.authority)});
    let exec = stanza.exec("v1", json!({"provideClusterInfo": true}));
    let kubeconfig = kubectl.kubeconfig_with_plugin(&exec, Some(&extension));

    let user = cluster.user();
    let file = format!("--kubeconfig={}", kubeconfig.display());
    let run = user.run(&["login", &file]).await;
    assert!(run.code == Some(0) && run.stdout.starts_with("logged in as svc at "), "{run:?}");
    let run = kubectl.run_file(&kubeconfig, &WHOAMI).await;
    assert_eq!((run.code, username(&run.stdout).as_str()), (Some(0), "svc"), "{run:?}");
    assert_eq!(cluster.provider.requests("POST /token"), 1, "kubectl used the session that was made by hand");

    let run = user.run(&["whoami", &file, "--output=json"]).await;
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["sessions"][0]["account"], "svc");
    let run = user.run(&["logout", &file]).await;
    assert_eq!(run.stdout, format!("logged out svc at {}, here\n", issuer.url));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn k4_twenty_kubectls_with_an_ended_session_refresh_once() {
    const KUBECTLS: usize = 20;
    let cluster = Cluster::start().await;
    let kubectl = &cluster.server.kubectl;
    let (user, stanza) = (cluster.user(), Stanza::person(&cluster.rig, &cluster.provider));
    let run = Person::at(&cluster.rig).logs_in(&user, &cluster.provider, &stanza, "alice").await;
    assert_eq!(run.code, Some(0), "{run:?}");
    user.end_sessions();
    let asked = cluster.provider.requests("POST /token");

    let kubeconfig = kubectl.kubeconfig_with_plugin(&stanza.exec("v1", json!({})), None);
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..KUBECTLS {
        let (kubectl, kubeconfig) = (kubectl.clone(), kubeconfig.clone());
        runs.spawn(async move { kubectl.run_file(&kubeconfig, &WHOAMI).await });
    }
    for run in runs.join_all().await {
        assert_eq!((run.code, username(&run.stdout).as_str()), (Some(0), "alice"), "{run:?}");
    }
    assert_eq!(cluster.provider.requests("POST /token") - asked, 1, "one refresh for all");

    // The rotated refresh token was kept: the next end of the token is renewed too.
    user.end_sessions();
    let run = kubectl.run_file(&kubeconfig, &WHOAMI).await;
    assert_eq!((run.code, username(&run.stdout).as_str()), (Some(0), "alice"), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_workload_with_a_projected_token_is_known_to_the_cluster() {
    let cluster = Cluster::start().await;
    let kubectl = &cluster.server.kubectl;
    kubectl.admin(&["create", "serviceaccount", "robot", "--namespace=default"]).await;
    let audience = format!("--audience={}", cluster.provider.issuer().url);
    let token = kubectl.admin(&["create", "token", "robot", "--namespace=default", &audience]).await;
    let assertion = crate::support::write(&cluster.rig, "projected-token", &token);
    let stanza = Stanza::at(&cluster.rig, &cluster.provider).and([
        "--oidc-client-id=machine".to_owned(),
        format!("--oidc-client-key-file={}", cluster.provider.machine_key().display()),
        "--oidc-client-key-id=machine".to_owned(),
        "--grant-type=jwt-bearer".to_owned(),
        format!("--assertion-file={assertion}"),
        "--audience=urn:api:es256".to_owned(),
        "--oidc-use-access-token".to_owned(),
    ]);
    let run = kubectl.with_plugin(&stanza.exec("v1", json!({})), &WHOAMI).await;
    assert_eq!((run.code, username(&run.stdout).as_str()), (Some(0), "robot@default"), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn k3_the_cluster_itself_says_whether_it_takes_the_token() {
    let cluster = Cluster::start().await;
    let kubectl = &cluster.server.kubectl;
    let stanza = Stanza::machine(&cluster.rig, &cluster.provider);
    let with_cluster = json!({"provideClusterInfo": true});

    // A client that runs the plugin for every request is no storm: the cluster is asked, and nothing is renewed.
    let user = cluster.user().with("KUBERNETES_EXEC_INFO", &kubectl.exec_info().to_string());
    for run in 1..=3 {
        let run_of_plugin = user.run(&stanza.line("get-token", &["-v"])).await;
        assert_eq!(run_of_plugin.code, Some(0), "{run_of_plugin:?}");
        let asked = run_of_plugin.stderr.contains("countersign: the cluster takes the token\n");
        assert_eq!(asked, run > 1, "{run}: {run_of_plugin:?}");
        assert!(!run_of_plugin.stderr.contains("refuse"), "{run_of_plugin:?}");
    }
    assert_eq!(cluster.provider.requests("POST /token"), 1);

    // A token for another audience is one that the cluster refuses, and then that is certain.
    let other = stanza.without("--audience").and(["--audience=urn:api:other".to_owned()]);
    let run = kubectl.with_plugin(&other.exec("v1", with_cluster), &WHOAMI).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("countersign: the API server refuses the token of svc, which "), "{run:?}");
    assert_eq!(cluster.provider.requests("POST /token"), 2, "no storm of logins");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_person_logs_in_in_the_middle_of_a_command() {
    let cluster = Cluster::start().await;
    let kubectl = &cluster.server.kubectl;
    let person = Person::at(&cluster.rig);
    let stanza = Stanza::person(&cluster.rig, &cluster.provider).and([person.flag()]);
    let exec = stanza.exec("v1", json!({"interactiveMode": "IfAvailable", "provideClusterInfo": true}));
    let command = ["auth", "whoami"];
    let (run, page) =
        tokio::join!(kubectl.with_plugin_at_terminal(&exec, &command), person.walks(&cluster.provider, "alice"));
    assert!(run.code == Some(0) && run.stdout.contains("alice"), "{run:?}");
    let cluster_row = format!("<dt>Cluster</dt><dd>{}</dd>", kubectl.server());
    assert!(page.contains("<dt>Account</dt><dd>alice</dd>") && page.contains(&cluster_row), "{page}");
}
