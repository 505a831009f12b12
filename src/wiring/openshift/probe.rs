//! Asks the webhook with the secret's own kubeconfig, as the API server will.

use std::path::Path;

use super::objects::Object;
use super::rules::codes;
use crate::findings::{Finding, Severity};
use crate::outbound::chain;
use crate::token::BearerToken;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::{Judgement, Refused, Review, ReviewVersion, Reviewer};

/// What is asked when nobody has a token at hand: no provider ever issued it.
const NO_TOKEN: &str = "countersign-probe-this-is-no-token";

/// Says that the webhook could not be asked at all.
#[must_use]
pub fn no_probe(message: &str) -> Finding {
    Finding {
        code: "probe_failed",
        severity: Severity::Error,
        path: String::new(),
        message: message.to_owned(),
        remedy: "see the findings about the secret".to_owned(),
    }
}

/// Posts one review, and says what it means. Without a token, one that cannot be any is asked about.
pub async fn probe(secret: &Object, token: Option<&BearerToken>, audiences: &[String]) -> Finding {
    let is_plain = secret.at("/stringData").get("kubeConfig").is_some();
    let path = format!("secret/{}:{}.kubeConfig", secret.name(), if is_plain { "stringData" } else { "data" });
    let finding = |code: &'static str, severity, message: String, remedy: &str| {
        debug_assert!(codes::is_listed(code), "{code} is not in the list of codes");
        Finding { code, severity, path: path.clone(), message, remedy: remedy.to_owned() }
    };
    let failed = |message: String| {
        let remedy =
            "see that the webhook runs and can be reached from here; control-plane nodes may see another network";
        finding("probe_failed", Severity::Error, message, remedy)
    };
    let Some(text) = super::rules::kubeconfig_text(secret) else {
        return failed("the webhook cannot be asked because the secret has no kubeconfig".to_owned());
    };
    // Whoever can write the secret must not learn what is in files of whoever checks it.
    if Connection::names_files(&text) {
        return failed(
            "the webhook is not asked because the kubeconfig names files, which no operator follows".to_owned(),
        );
    }
    let connection = match Connection::from_yaml(&text, Path::new("kubeConfig")) {
        Ok(connection) => connection,
        Err(error) => return failed(chain(&error)),
    };
    let reviewer = match Reviewer::new(&connection) {
        Ok(reviewer) => reviewer,
        Err(error) => return failed(chain(&error)),
    };
    if token.is_some() && (connection.insecure || connection.server.scheme() == "http") {
        return failed("the token is not sent because others could read it on its way; ask without one".to_owned());
    }
    let made_up = BearerToken::from(NO_TOKEN);
    let review = Review { version: ReviewVersion::V1, token: token.unwrap_or(&made_up), audiences };
    let answer = match reviewer.post(&review).await {
        Ok(answer) => answer,
        Err(error) if error.is_unreached() => {
            let remedy =
                "ask where API servers run, for instance in oc debug node/NODE; other machines may see another network";
            return finding(
                "probe_unreached",
                Severity::Warning,
                format!("the webhook is not reached from here: {}", chain(&error)),
                remedy,
            );
        }
        Err(error) => return failed(chain(&error)),
    };
    match answer.judge(ReviewVersion::V1, audiences) {
        Judgement::Accepted(accepted) if token.is_some() => {
            let message =
                format!("the webhook accepted the token as {:?}, groups {:?}", accepted.username, accepted.groups);
            finding("probe_accepted", Severity::Info, message, "")
        }
        Judgement::Accepted(accepted) => {
            let message =
                format!("the webhook accepted a made-up token as {:?}: anyone can be any user", accepted.username);
            finding("probe_accepts_anything", Severity::Error, message, "take this webhook out of use at once")
        }
        Judgement::Refused(Refused { why, is_remembered }) if token.is_none() => {
            let why = if is_remembered {
                String::new()
            } else {
                format!(" ({why}; kube-apiserver remembers no such answer)")
            };
            let message = format!("the webhook was reached from here and refused a made-up token{why}");
            finding("probe_refused", Severity::Info, message, "")
        }
        Judgement::Refused(Refused { why, .. }) => {
            let remedy = "countersign explain says why, and so does the webhook's log";
            finding("probe_refused", Severity::Error, format!("the webhook refused the token: {why}"), remedy)
        }
        Judgement::Undecided(undecided) => {
            let remedy = "the webhook's log says more, by the same code";
            // What is no review will be none tomorrow.
            let severity = if undecided.is_cause() { Severity::Warning } else { Severity::Error };
            finding("probe_undecided", severity, format!("the webhook could not tell: {}", undecided.why), remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What is found at a webhook with one answer: code, severity and path.
    async fn found(status: &Value, token: Option<&BearerToken>) -> (&'static str, Severity, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}/authenticate", listener.local_addr().unwrap());
        let body = json!({ "status": status }).to_string();
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") && !request.ends_with(b"}\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        };
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "c", "user": {"token": "caller"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        let secret = json!({"metadata": {"name": "hook"}, "stringData": {"kubeConfig": kubeconfig.to_string()}});
        let secret = Object::from(secret);
        let asked = probe(&secret, token, &[]);
        let finding = if token.is_some() { asked.await } else { tokio::join!(asked, answer).0 };
        (finding.code, finding.severity, finding.path)
    }

    #[tokio::test]
    async fn a_made_up_token_may_be_refused_with_or_without_a_reason() {
        let path = || "secret/hook:stringData.kubeConfig".to_owned();
        for (status, code, severity) in [
            (json!({"authenticated": false}), "probe_refused", Severity::Info),
            (json!({"authenticated": false, "error": "malformed"}), "probe_refused", Severity::Info),
            (json!({"authenticated": false, "error": "keys_stale"}), "probe_undecided", Severity::Warning),
            (json!({"authenticated": "no"}), "probe_undecided", Severity::Error),
            (json!({"authenticated": true}), "probe_accepts_anything", Severity::Error),
        ] {
            assert_eq!(found(&status, None).await, (code, severity, path()), "{status}");
        }
        // Over plain HTTP it is not even sent.
        let token = BearerToken::from("one of mine");
        assert_eq!(found(&json!({}), Some(&token)).await, ("probe_failed", Severity::Error, path()));
    }
}
