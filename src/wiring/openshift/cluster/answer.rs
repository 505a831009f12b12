//! What an API server answers: an object with warnings, or a refusal with its causes.

use std::fmt;

use http::response::Parts;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

/// Of an answer that is no `Status`, this much is shown.
const MAX_SHOWN: usize = 300;

/// An object, and what the API server has to say about the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The object.
    pub object: Value,
    /// The texts of `Warning` headers.
    pub warnings: Vec<String>,
}

/// A no, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The reason in one word, such as `Invalid` or `Conflict`.
    pub reason: String,
    /// The whole message.
    pub message: String,
    /// What is wrong with which field, as far as it is said.
    pub causes: Vec<Cause>,
    /// The texts of `Warning` headers.
    pub warnings: Vec<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Cause {
    /// The kind of problem, such as `FieldValueInvalid` or `FieldManagerConflict`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub field: String,
}

impl Refusal {
    /// Whether fields belong to other managers. Each cause then names a field and whose it is.
    #[must_use]
    pub fn is_field_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT && self.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    }

    /// Whether the object has changed since it was read.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.status == StatusCode::CONFLICT && !self.is_field_conflict()
    }

    /// Whether the object itself is refused: 422 with causes, 400 with everything in the message, and for a field that a
    /// server-side apply does not know even 500.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self.status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => true,
            StatusCode::INTERNAL_SERVER_ERROR => self.message.starts_with("failed to create typed patch object"),
            _ => false,
        }
    }

    /// Whether it would be refused again. Otherwise the API server could not tell.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_invalid() || (self.status.is_client_error() && self.status != StatusCode::TOO_MANY_REQUESTS)
    }
}

impl Refusal {
    /// What to do about it; empty if the message alone can tell.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.status {
            _ if self.is_stale() => "somebody changed it meanwhile: look at it, and run this again",
            _ if self.is_invalid() => "mend the document",
            StatusCode::UNAUTHORIZED => {
                "the kubeconfig's credential is not accepted: log in again, or use the installer's kubeconfig"
            }
            StatusCode::FORBIDDEN => "ask for the rights that the page on OpenShift lists",
            status if status.is_redirection() => "this is no API server: correct the address in the kubeconfig",
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => "run this again later",
            _ => "",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.reason, self.message)?;
        for cause in &self.causes {
            if !self.message.contains(&cause.message) || !self.message.contains(&cause.field) {
                write!(f, "; {}: {}", cause.field, cause.message)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Option<Vec<Cause>>,
}

/// Reads an answer.
pub(super) fn read(parts: &Parts, body: &[u8]) -> Result<Reply, Refusal> {
    let warnings: Vec<String> =
        parts.headers.get_all(header::WARNING).iter().filter_map(|value| warning(value.to_str().ok()?)).collect();
    if parts.status.is_success() {
        let object = serde_json::from_slice(body).ok().filter(Value::is_object);
        return object.map(|object| Reply { object, warnings: warnings.clone() }).ok_or_else(|| Refusal {
            status: parts.status,
            reason: "Unreadable".to_owned(),
            message: "the answer is no Kubernetes object; see whether this is an API server".to_owned(),
            causes: Vec::new(),
            warnings,
        });
    }
    let name = parts.status.canonical_reason().unwrap_or_default();
    let status: Option<Status> = serde_json::from_slice(body).ok();
    let status = status.unwrap_or_else(|| Status {
        message: String::from_utf8_lossy(body).trim().chars().take(MAX_SHOWN).collect(),
        ..Status::default()
    });
    Err(Refusal {
        status: parts.status,
        reason: if status.reason.is_empty() { name.to_owned() } else { status.reason },
        message: if status.message.is_empty() { name.to_owned() } else { status.message },
        causes: status.details.and_then(|details| details.causes).unwrap_or_default(),
        warnings,
    })
}

/// Whether an answer is the object at a path. The error says what it is instead.
pub(super) fn is_at(path: &str, answer: &Value) -> Result<(), String> {
    let mut segments = path.rsplit('/');
    let (name, resource) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, found) = (text("/kind"), text("/metadata/name"));
    if !answer.is_object() || kind.is_empty() {
        return Err("no object".to_owned());
    }
    // Resources are named after kinds: `secrets`, `authentications`.
    if resource != format!("{}s", kind.to_lowercase()) || found != name {
        return Err(format!("the {kind} {found:?}"));
    }
    Ok(())
}

/// Whether an object has what was sent. The error names the first field that it has not.
pub(super) fn has(answer: &Value, sent: &Value) -> Result<(), String> {
    let is_secret = sent.get("kind").is_some_and(|kind| kind == "Secret");
    let fields = sent.as_object().into_iter().flatten();
    for (name, sent) in fields.filter(|(name, _)| *name != "metadata") {
        // Bytes come back in lines of other lengths.
        let is_bytes = is_secret && name == "data";
        missing(answer.get(name).unwrap_or(&Value::Null), sent, name, is_bytes)
            .map_or(Ok(()), |path| Err(format!("an object whose {path} is not what was sent")))?;
    }
    Ok(())
}

/// The path of the first value that is another one. An empty value and none are the same.
fn missing(found: &Value, sent: &Value, path: &str, is_bytes: bool) -> Option<String> {
    let is_same = match (sent, found) {
        (Value::Object(fields), Value::Object(_) | Value::Null) => {
            return fields.iter().find_map(|(name, sent)| {
                missing(found.get(name).unwrap_or(&Value::Null), sent, &format!("{path}.{name}"), is_bytes)
            });
        }
        (Value::String(sent), Value::String(found)) if is_bytes => {
            let compact = |text: &str| text.split_ascii_whitespace().collect::<String>();
            compact(sent) == compact(found)
        }
        (Value::String(sent), Value::Null) => sent.is_empty(),
        (Value::Array(sent), Value::Null) => sent.is_empty(),
        (Value::Null, Value::String(found)) => found.is_empty(),
        (sent, found) => sent == found,
    };
    (!is_same).then(|| path.to_owned())
}

/// The text of `299 - "text"`, with `\"` and `\\` undone.
fn warning(value: &str) -> Option<String> {
    let quoted = value.split_once('"')?.1.rsplit_once('"')?.0;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use http::Response;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, warnings: &[&str], body: &str) -> Result<Reply, Refusal> {
        let mut response = Response::builder().status(status);
        for warning in warnings {
            response = response.header(header::WARNING, *warning);
        }
        let (parts, ()) = response.body(()).unwrap().into_parts();
        read(&parts, body.as_bytes())
    }

    #[test]
    fn warnings_are_unquoted() {
        let reply = answer(200, &[r#"299 - "unknown field \"a\\b\"""#, r#"299 - "second""#], "{}").unwrap();
        assert_eq!(
            reply,
            Reply { object: json!({}), warnings: vec![r#"unknown field "a\b""#.to_owned(), "second".to_owned()] }
        );
    }

    #[test]
    fn a_refusal_has_its_causes() {
        let body = json!({"kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422, "message": "it is invalid",
            "details": {"causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.type"}]}});
        let refusal = answer(422, &[], &body.to_string()).unwrap_err();
        assert!(refusal.is_invalid() && !refusal.is_stale());
        assert_eq!(refusal.to_string(), "422 Invalid: it is invalid; spec.type: Required value");
    }

    #[test]
    fn strict_decoding_errors_have_no_causes() {
        let body = json!({"kind": "Status", "reason": "BadRequest", "message": "strict decoding error: unknown field \"spec.a\""});
        let refusal = answer(400, &[], &body.to_string()).unwrap_err();
        assert!(refusal.is_invalid());
        assert_eq!(refusal.to_string(), "400 BadRequest: strict decoding error: unknown field \"spec.a\"");
    }

    #[test]
    fn an_unknown_field_in_a_server_side_apply_is_no_fault_of_the_server() {
        let message =
            "failed to create typed patch object (/cluster; v1, Kind=A): .spec.a: field not declared in schema";
        let refusal =
            answer(500, &[], &json!({"reason": "InternalError", "message": message}).to_string()).unwrap_err();
        assert!(refusal.is_invalid() && refusal.is_final());
        let fault =
            answer(500, &[], &json!({"reason": "InternalError", "message": "etcd is away"}).to_string()).unwrap_err();
        assert!(!fault.is_invalid() && !fault.is_final());
    }

    #[test]
    fn the_two_conflicts_are_told_apart() {
        let conflict = |causes: Value| {
            answer(409, &[], &json!({"reason": "Conflict", "message": "no", "details": {"causes": causes}}).to_string())
                .unwrap_err()
        };
        let owned = conflict(
            json!([{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\"", "field": ".data.a"}]),
        );
        assert!(owned.is_field_conflict() && !owned.is_stale());
        let stale = conflict(Value::Null);
        assert!(stale.is_stale() && !stale.is_field_conflict());
    }

    #[test]
    fn a_page_in_place_of_an_object_is_no_success() {
        for body in ["<html>portal</html>", "", "null", "[]"] {
            let refusal = answer(200, &[], body).unwrap_err();
            assert_eq!((refusal.reason.as_str(), refusal.is_final()), ("Unreadable", false), "{body}");
        }
    }

    #[test]
    fn text_is_a_refusal_too() {
        let refusal = answer(404, &[], "404 page not found\n").unwrap_err();
        assert_eq!(refusal.to_string(), "404 Not Found: 404 page not found");
    }
}
