//! The question, byte for byte as kube-apiserver puts it.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::token::BearerToken;

/// Which version of the review API is spoken (`--authentication-token-webhook-version`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReviewVersion {
    /// `authentication.k8s.io/v1`
    #[default]
    #[value(name = "v1")]
    V1,
    /// `authentication.k8s.io/v1beta1`: kube-apiserver's default.
    #[value(name = "v1beta1")]
    V1beta1,
}

impl ReviewVersion {
    /// The `apiVersion` field's value.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "authentication.k8s.io/v1",
            Self::V1beta1 => "authentication.k8s.io/v1beta1",
        }
    }
}

/// One review: a token, and the audiences it is wanted for.
pub struct Review<'a> {
    /// The API version to speak.
    pub version: ReviewVersion,
    /// The token to ask about.
    pub token: &'a BearerToken,
    /// What the token should be good for; empty is not asked.
    pub audiences: &'a [String],
}

impl Review<'_> {
    /// The request's body: the fields in kube-apiserver's order, escaped as Go does, with a newline at the end.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let json = serde_json::to_string(&self.document(self.token.expose_secret()));
        let mut body = escaped_as_go_does(&json.expect("strings and lists have a JSON form"));
        body.push('\n');
        body.into_bytes()
    }

    /// The same with the token cut short, for people to look at.
    #[must_use]
    pub fn shortened(&self) -> Value {
        serde_json::to_value(self.document(&shortened(self.token))).expect("strings and lists have a JSON form")
    }

    fn document<'b>(&'b self, token: &'b str) -> Document<'b> {
        Document {
            kind: "TokenReview",
            api_version: self.version.api_version(),
            metadata: Empty {},
            spec: Spec { token, audiences: self.audiences },
            status: Status { user: Empty {} },
        }
    }
}

/// A token's first few characters and its length. Of a JWT, these characters are the beginning of the header.
#[must_use]
pub(crate) fn shortened(token: &BearerToken) -> String {
    const SHOWN: usize = 10;
    let text = token.expose_secret();
    // A short token would be given away by its beginning.
    let shown: String = if text.len() < 8 * SHOWN { String::new() } else { text.chars().take(SHOWN).collect() };
    format!("{shown}… ({} bytes)", text.len())
}

/// The URL to post to: the server's path without a slash at the end, and the time-out as the only query parameter.
pub(super) fn url(server: &Url) -> Url {
    let mut url = server.clone();
    let path: String =
        server.path().split('/').filter(|segment| !segment.is_empty()).fold(String::new(), |mut path, segment| {
            let _ = write!(path, "/{segment}");
            path
        });
    url.set_path(&path);
    url.set_query(Some("timeout=30s"));
    url.set_fragment(None);
    url
}

/// Go's JSON encoder escapes what HTML or JavaScript would trip over.
fn escaped_as_go_does(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Empty,
    spec: Spec<'a>,
    status: Status,
}

#[derive(Serialize)]
struct Spec<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    audiences: &'a [String],
}

#[derive(Serialize)]
struct Status {
    user: Empty,
}

#[derive(Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(version: ReviewVersion, token: &str, audiences: &[&str]) -> String {
        let audiences: Vec<String> = audiences.iter().map(ToString::to_string).collect();
        let token = BearerToken::from(token);
        String::from_utf8(Review { version, token: &token, audiences: &audiences }.body()).unwrap()
    }

    #[test]
    fn the_body_is_what_kube_apiserver_sends() {
        assert_eq!(
            body(ReviewVersion::V1, "abc", &["https://kubernetes.default.svc", "second"]),
            "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{},\
             \"spec\":{\"token\":\"abc\",\"audiences\":[\"https://kubernetes.default.svc\",\"second\"]},\
             \"status\":{\"user\":{}}}\n"
        );
    }

    #[test]
    fn no_audiences_are_no_field() {
        assert_eq!(
            body(ReviewVersion::V1beta1, "abc", &[]),
            "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1beta1\",\"metadata\":{},\
             \"spec\":{\"token\":\"abc\"},\"status\":{\"user\":{}}}\n"
        );
    }

    #[test]
    fn characters_are_escaped_as_go_escapes_them() {
        let body = body(ReviewVersion::V1, "<a>&\"\\\u{2028}é\u{7f}", &[]);
        assert!(body.contains("\"token\":\"\\u003ca\\u003e\\u0026\\\"\\\\\\u2028é\u{7f}\""), "{body}");
    }

    #[test]
    fn the_url_keeps_the_path_alone() {
        for (server, expected) in [
            ("https://hook", "https://hook/?timeout=30s"),
            ("https://hook/", "https://hook/?timeout=30s"),
            ("https://hook:8443/authenticate/", "https://hook:8443/authenticate?timeout=30s"),
            ("https://hook//a///b//", "https://hook/a/b?timeout=30s"),
            ("https://hook/a/./b/../c", "https://hook/a/c?timeout=30s"),
            ("https://hook/a%2Fb?cluster=one#top", "https://hook/a%2Fb?timeout=30s"),
        ] {
            assert_eq!(url(&Url::parse(server).unwrap()).as_str(), expected, "{server}");
        }
    }

    #[test]
    fn a_shown_token_is_cut_short_and_a_short_one_is_not_shown() {
        let show = |text: &str| shortened(&BearerToken::from(text));
        assert_eq!(show(&"abcdefghijklmnopqrstuvwxyz".repeat(10)), "abcdefghij… (260 bytes)");
        assert_eq!(show("swordfish"), "… (9 bytes)");
    }

    #[test]
    fn the_shown_review_has_the_form_of_the_sent_one() {
        let token = BearerToken::from("swordfish");
        let review = Review { version: ReviewVersion::V1, token: &token, audiences: &[] };
        let mut sent: Value = serde_json::from_slice(&review.body()).unwrap();
        sent["spec"]["token"] = "… (9 bytes)".into();
        assert_eq!(review.shortened(), sent);
    }
}
