//! What fuzzers call: functions that take any bytes, and panic when something that must hold does not.
//!
//! The targets in `fuzz/` are one line each; the tests below run the same functions over mutated samples with every
//! `cargo test`, so that they are exercised where no fuzzer is.

use super::exec_credential::{ApiVersion, Request, answer};
use super::session::Record;

/// A stored session: it is read or refused, and what was read survives being written.
pub fn session_record(bytes: &[u8]) {
    let Ok(record) = Record::parse(bytes) else { return };
    let written = record.to_bytes();
    let again = Record::parse(&written).expect("what was written can be read");
    assert_eq!(again.to_bytes(), written, "writing is stable");
    for session in &record.sessions {
        for kind in [super::TokenKind::IdToken, super::TokenKind::AccessToken] {
            let now = crate::clock::UnixTime::from_seconds(session.obtained_at);
            let _ = session.standing(kind, now);
            if let Some(credential) = session.credential(kind) {
                printed(&credential.token);
            }
        }
    }
    let sign = record.sign().to_bytes();
    let sign = Record::parse(&sign).expect("a sign is a record");
    assert!(
        sign.sessions.iter().all(|session| !session.has_tokens() && session.refresh_token().is_none()),
        "no secrets"
    );
}

/// `KUBERNETES_EXEC_INFO`: it is understood or refused, and no refusal repeats what is in it.
pub fn exec_info(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Request::parse(text) {
        Ok(request) => {
            let answered = answer(request.version, "a.b.c", None).expect("a plain token can be printed");
            assert!(
                answered.contains(&format!("\"apiVersion\":\"{}\"", request.version.name())),
                "in the version asked for"
            );
        }
        Err(error) => assert!(error.to_string().len() < 200, "a refusal is one short line"),
    }
}

/// Whatever a token holds, what is printed of it is one line of JSON, or nothing.
fn printed(token: &str) {
    if let Ok(text) = answer(ApiVersion::V1, token, None) {
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON is printed");
        assert_eq!(document.pointer("/status/token").and_then(serde_json::Value::as_str), Some(token), "as it was");
        assert_eq!(text.trim_end().lines().count(), 1, "one line");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::login::session::testing::{NOW, key, tokens};
    use crate::login::session::{Record, Session};

    const INFO: &str = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":true,
        "cluster":{"server":"https://c:6443","config":{"issuer":"https://idp","clientId":"k","scopes":["a","b"],
        "useAccessToken":true,"certificateAuthorityData":"LS0t"}}}}"#;

    fn record() -> Vec<u8> {
        let mut record = Record::new(key());
        for account in ["me", "you"] {
            record.put(Session::new(tokens(account, "a.b.c", NOW), "kubectl", NOW));
        }
        record.to_bytes().to_vec()
    }

    /// What a fuzzer does to a sample: bytes changed, cut out, doubled, put in.
    fn mutated(mut bytes: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
        const PIECES: [&[u8]; 6] = [b"null", b"\"", b"{}", b"-1", b"18446744073709551616", b"\xff\\u0000"];
        for (at, kind, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind % 4 {
                0 => bytes[at] = *byte,
                1 => drop(bytes.drain(at..(at + usize::from(*byte)).min(bytes.len()))),
                2 => bytes.extend_from_within(at..(at + usize::from(*byte)).min(bytes.len())),
                _ => drop(bytes.splice(at..at, PIECES[usize::from(*byte) % PIECES.len()].iter().copied())),
            }
        }
        bytes
    }

    #[test]
    fn the_samples_are_taken() {
        assert!(Record::parse(&record()).is_ok() && Request::parse(INFO).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn no_mutation_of_a_stored_session_breaks_a_promise(changes in prop::collection::vec(any::<(Index, u8, u8)>(), 0..6)) {
            session_record(&mutated(record(), &changes));
        }

        #[test]
        fn no_mutation_of_what_kubectl_says_breaks_a_promise(changes in prop::collection::vec(any::<(Index, u8, u8)>(), 0..6)) {
            exec_info(&mutated(INFO.as_bytes().to_vec(), &changes));
        }
    }
}
