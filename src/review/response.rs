//! From an answer to the bytes that leave: the one place that decides what a caller may learn.
//!
//! kube-apiserver remembers a plain `authenticated: false` for its cache's lifetime and never one with `status.error`
//! (k8s.io/apiserver `cached_token_authenticator.go`). So a definite refusal is plain, and a "cannot tell" carries a short
//! fixed code; the other way round, a blip would lock people out, or junk would come back with every request.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use super::wire::{ApiVersion, Malformed};
use crate::authn::PackedUser;
use crate::authn::observed::Answer;

/// What goes back to the caller: always JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON document.
    pub body: Bytes,
}

impl Reply {
    /// The TokenReview that answers a review. The caller's HTTP layer turns 200 into 201 on the API path.
    #[must_use]
    pub fn decided(version: ApiVersion, answer: &Answer, refusal_reasons: bool) -> Self {
        let status = match answer {
            Answer::Accept(accepted, audiences) => return Self::accepted(version, &accepted.user, audiences),
            Answer::Reject(rejected) if refusal_reasons => ReviewStatus::no(rejected.reason.code()),
            Answer::Reject(_) => ReviewStatus::no(""),
            Answer::Unavailable(unavailable) => ReviewStatus::no(unavailable.cause.code()),
        };
        let review =
            Review { kind: "TokenReview", api_version: version.name(), metadata: Empty {}, spec: Empty {}, status };
        Self::json(StatusCode::OK, &review)
    }

    /// An answer that says who it is: the most frequent, so it is put together by copying.
    fn accepted(version: ApiVersion, user: &PackedUser, audiences: &[String]) -> Self {
        // Names are written with what JSON needs around them; most answers fit without a second allocation.
        let mut body = Vec::with_capacity(2 * user.bytes() + 512);
        body.extend_from_slice(br#"{"kind":"TokenReview","apiVersion":""#);
        body.extend_from_slice(version.name().as_bytes());
        body.extend_from_slice(br#"","metadata":{},"spec":{},"status":{"authenticated":true,"user":"#);
        user.write_json(&mut body);
        if !audiences.is_empty() {
            body.extend_from_slice(br#","audiences":"#);
            serde_json::to_writer(&mut body, audiences).expect("strings become JSON, and memory takes it");
        }
        body.extend_from_slice(b"}}\n");
        Self { status: StatusCode::OK, body: body.into() }
    }

    /// The `Status` that says why a body is no review.
    #[must_use]
    pub fn malformed(malformed: Malformed) -> Self {
        Self::failure(StatusCode::BAD_REQUEST, "BadRequest", &malformed.to_string())
    }

    /// A Kubernetes `Status` (meta/v1) for everything that is not an answer to a review. `reason` is one of Kubernetes'
    /// own; clients decide by it whether to try again.
    #[must_use]
    pub fn failure(status: StatusCode, reason: &'static str, message: &str) -> Self {
        let failure = Failure {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message,
            reason,
            code: status.as_u16(),
        };
        Self::json(status, &failure)
    }

    fn json(status: StatusCode, document: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(document).expect("strings, lists and maps with string keys become JSON");
        body.push(b'\n');
        Self { status, body: body.into() }
    }
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    spec: Empty,
    status: ReviewStatus,
}

#[derive(Serialize)]
struct ReviewStatus {
    authenticated: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'static str,
}

impl ReviewStatus {
    const fn no(error: &'static str) -> Self {
        Self { authenticated: false, error }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;
    use crate::authn::standing::Ground;
    use crate::authn::{Accepted, Basis, Cause, IssuerName, Reason, Rejected, Standing, Unavailable, UserInfo};
    use crate::clock::UnixTime;

    fn accepted(audiences: &[&str]) -> Answer {
        let user = UserInfo {
            username: "oidc:alice".into(),
            uid: "u1".into(),
            groups: vec!["dev".into()],
            extra: [("example.com/a".to_owned(), vec!["b".to_owned()])].into(),
        };
        let standing = Standing::on(Ground::new(Instant::now()), 0);
        let issuer = IssuerName::new("https://idp.example.com");
        let basis = Arc::new(Basis { issuer, audiences: vec![], standing });
        let accepted = Accepted { user: PackedUser::from(&user), not_after: UnixTime::MAX, basis };
        Answer::Accept(accepted, audiences.iter().map(|audience| (*audience).to_owned()).collect())
    }

    fn document(reply: &Reply) -> Value {
        serde_json::from_slice(&reply.body).unwrap()
    }

    #[test]
    fn h10_the_answer_has_the_version_of_the_request() {
        for version in [ApiVersion::V1, ApiVersion::V1beta1] {
            let reply = Reply::decided(version, &accepted(&["api"]), false);
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(
                document(&reply),
                json!({
                    "kind": "TokenReview", "apiVersion": version.name(), "metadata": {}, "spec": {},
                    "status": {
                        "authenticated": true,
                        "user": {"username": "oidc:alice", "uid": "u1", "groups": ["dev"], "extra": {"example.com/a": ["b"]}},
                        "audiences": ["api"],
                    },
                })
            );
        }
    }

    #[test]
    fn a_definite_refusal_is_plain_unless_the_operator_asks_for_reasons() {
        for reason in Reason::ALL {
            let answer = Answer::Reject(Rejected::unclaimed(*reason));
            let plain = document(&Reply::decided(ApiVersion::V1, &answer, false));
            assert_eq!(plain["status"], json!({"authenticated": false}));
            let spoken = document(&Reply::decided(ApiVersion::V1, &answer, true));
            assert_eq!(spoken["status"], json!({"authenticated": false, "error": reason.code()}));
        }
    }

    #[test]
    fn f7_cannot_tell_always_carries_a_code_so_that_nobody_remembers_it() {
        for cause in Cause::ALL {
            let answer = Answer::Unavailable(Unavailable { cause: *cause, issuer: None });
            let reply = document(&Reply::decided(ApiVersion::V1beta1, &answer, false));
            assert_eq!(reply["status"], json!({"authenticated": false, "error": cause.code()}));
        }
    }

    #[test]
    fn k05_only_an_accept_says_authenticated() {
        let no = [
            Answer::Reject(Rejected::unclaimed(Reason::Expired)),
            Answer::Unavailable(Unavailable { cause: Cause::Deadline, issuer: None }),
        ];
        for answer in no {
            for reasons in [false, true] {
                let reply = document(&Reply::decided(ApiVersion::V1, &answer, reasons));
                assert_eq!(reply["status"]["authenticated"], json!(false));
                assert!(reply["status"].get("user").is_none());
            }
        }
    }

    #[test]
    fn failures_are_kubernetes_status_objects() {
        let reply = Reply::malformed(Malformed::Token);
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            document(&reply),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "spec.token must not be empty", "reason": "BadRequest", "code": 400,
            })
        );
    }
}
