//! Ctrl-C, which a terminal sends to kubectl and to its plugin alike.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::login::session::{Record, Session, SessionKey};
use countersign::login::settings::Settings;

use crate::provider::SlowProvider;
use crate::support::{Home, REFRESH_TOKEN, Run, info, now, settings, tokens};

const LINE: &str = "countersign: the refresh was interrupted, and the session is kept; run the command again\n";

/// A home with a session at a provider whose token has ended.
struct Scene {
    home: Home,
    provider: SlowProvider,
    key: SessionKey,
}

impl Scene {
    fn new(held: &'static str) -> Self {
        let (home, provider) = (Home::new(), SlowProvider::start(held));
        fs::write(home.path().join("ca.pem"), &provider.authority).unwrap();
        let authority = provider.authority.clone() + "\n";
        let settings =
            Settings { issuer: provider.issuer.clone(), certificate_authority: Some(authority), ..settings() };
        let key = SessionKey::of(&settings);
        let mut tokens = tokens("me");
        tokens.id_token_expires_at = Some(now().saturating_sub(Duration::from_secs(10)));
        let mut record = Record::new(key.clone());
        record.put(Session::new(tokens, "kubectl", now()));
        home.store().write(&record, None).unwrap();
        Self { home, provider, key }
    }

    fn starts(&self) -> Child {
        let issuer = format!("--oidc-issuer-url={}", self.provider.issuer);
        let authority = format!("--certificate-authority={}", self.home.path().join("ca.pem").display());
        let mut command = self.home.command(&["get-token", &issuer, "--oidc-client-id=kubectl", &authority]);
        command.env("KUBERNETES_EXEC_INFO", info("v1").to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn refresh_token(&self) -> Option<String> {
        let record = self.home.store().read(&self.key).unwrap().unwrap();
        record.session("me")?.refresh_token().map(str::to_owned)
    }
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
}

fn end(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn k4_a_signal_in_the_middle_of_a_refresh_waits_until_the_new_tokens_are_stored() {
    for signal in ["HUP", "INT", "TERM"] {
        let scene = Scene::new("/token");
        let child = scene.starts();
        assert!(scene.provider.is_asked().contains(&format!("refresh_token={REFRESH_TOKEN}")), "{signal}");
        send(signal, &child);
        scene.provider.answers();
        let expected = Run { code: Some(3), stdout: String::new(), stderr: LINE.to_owned() };
        assert_eq!((end(child), scene.refresh_token().as_deref()), (expected, Some("rotated")), "{signal}");
    }
}

#[test]
fn a_signal_before_the_refresh_token_is_sent_ends_the_run_at_once() {
    let scene = Scene::new("/jwks");
    let child = scene.starts();
    assert_eq!(scene.provider.is_asked(), "");
    send("INT", &child);
    let expected = Run { code: Some(3), stdout: String::new(), stderr: LINE.to_owned() };
    assert_eq!((end(child), scene.refresh_token().as_deref()), (expected, Some(REFRESH_TOKEN)));
}
