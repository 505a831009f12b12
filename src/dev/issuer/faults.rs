//! What can go wrong at an identity provider, one switch each.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::dev::https::Body;

/// A fault of one endpoint. It lasts until another is set or [`heal`](super::Issuer::heal) is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another answer altogether: status code and body, as JSON by its content type.
    Answer(u16, String),
    /// The connection (of HTTP/2: the stream) ends in the middle of the body.
    Cut,
    /// The answer comes after a pause.
    Delay(Duration),
    /// The body comes byte by byte, with a pause before each.
    Drip(Duration),
    /// A key set without keys.
    EmptyKeys,
    /// A body without an end.
    Endless,
    /// The right body, compressed, without having been asked for it.
    Gzip,
    /// No answer at all until the fault is replaced or healed; then the request is answered as of then.
    Hang,
    /// A web page with status 200, as a captive portal sends.
    Html,
    /// A discovery document that sends for the keys elsewhere.
    JwksUri(String),
    /// The right keys behind so many others.
    KeyFlood(usize),
    /// A redirect (302) to a URL.
    Redirect(String),
    /// The first half of the body, and the rest once the fault is replaced or healed.
    Stall,
    /// The first half of the body, as if it were all.
    Truncated,
    /// A discovery document of another issuer.
    WrongIssuer(String),
}

/// A fault made into an answer, or the reason why it cannot be one yet.
pub(super) enum Reply {
    /// Send this.
    Now(Response<Body>),
    /// Send nothing until the switches change.
    OnRelease,
    /// Send the first part, and the second when the switches change.
    InHalves(Bytes, Bytes),
    /// Pause, then send this.
    After(Duration, Response<Body>),
}

impl Fault {
    /// Applies the fault to the document that would have been sent.
    pub(super) fn apply(&self, document: &Bytes) -> Reply {
        let (first, second) = halves(document);
        Reply::Now(match self {
            Self::Answer(code, body) => {
                let mut response = json_response(Bytes::from(body.clone()));
                *response.status_mut() = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                response
            }
            Self::Cut => {
                // Ending before the announced length makes the server hang up, and only after it sent what there is.
                let mut response = json_response(first);
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
                response
            }
            Self::Delay(pause) => return Reply::After(*pause, json_response(document.clone())),
            Self::Drip(pause) => {
                let pause = *pause;
                let frames = stream::iter(document.clone()).then(move |byte| async move {
                    tokio::time::sleep(pause).await;
                    Ok(Frame::data(Bytes::from(vec![byte])))
                });
                with_body(BodyExt::boxed(StreamBody::new(frames)))
            }
            Self::EmptyKeys => json_response(Bytes::from_static(b"{\"keys\":[]}")),
            Self::Endless => {
                const SPACES: &[u8] = &[b' '; 16 * 1024];
                let start = stream::iter([Bytes::from_static(b"{\"keys\":[")]);
                let frames = start.chain(stream::repeat(Bytes::from_static(SPACES))).map(|part| Ok(Frame::data(part)));
                with_body(BodyExt::boxed(StreamBody::new(frames)))
            }
            Self::Gzip => {
                let mut response = json_response(gzip(document));
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                response
            }
            Self::Hang => return Reply::OnRelease,
            Self::Html => {
                let mut response = json_response(Bytes::from_static(b"<!doctype html><title>Sign in</title>"));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
                response
            }
            Self::JwksUri(url) => json_response(edited(document, |fields| fields["jwks_uri"] = json!(url))),
            Self::KeyFlood(count) => json_response(edited(document, |fields| flood(fields, *count))),
            Self::Redirect(url) => {
                let mut response = json_response(Bytes::new());
                *response.status_mut() = StatusCode::FOUND;
                if let Ok(value) = HeaderValue::try_from(url) {
                    response.headers_mut().insert(header::LOCATION, value);
                }
                response
            }
            Self::Stall => return Reply::InHalves(first, second),
            Self::Truncated => json_response(first),
            Self::WrongIssuer(url) => json_response(edited(document, |fields| fields["issuer"] = json!(url))),
        })
    }
}

/// An answer with a JSON document.
pub(super) fn json_response(document: Bytes) -> Response<Body> {
    with_body(Full::new(document).map_err(|never| match never {}).boxed())
}

/// An answer whose body is still to come.
pub(super) fn with_body(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn halves(document: &Bytes) -> (Bytes, Bytes) {
    let mut first = document.clone();
    let second = first.split_off(document.len() / 2);
    (first, second)
}

/// The document with a change; one that is not a JSON object stays as it is.
fn edited(document: &Bytes, edit: impl FnOnce(&mut Value)) -> Bytes {
    match serde_json::from_slice::<Value>(document) {
        Ok(mut fields) if fields.is_object() => {
            edit(&mut fields);
            fields.to_string().into()
        }
        _ => document.clone(),
    }
}

/// Puts well-formed Ed25519 keys before the real ones; the private halves belong to nobody.
fn flood(fields: &mut Value, count: usize) {
    let mut keys: Vec<Value> = (0..count)
        .map(|index| {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": format!("flood-{index}"), "x": x})
        })
        .collect();
    if let Some(Value::Array(real)) = fields.get_mut("keys").map(Value::take) {
        keys.extend(real);
    }
    fields["keys"] = keys.into();
}

/// RFC 1952 with stored blocks (RFC 1951, section 3.2.4): correct, and no smaller.
fn gzip(content: &[u8]) -> Bytes {
    const MAX_STORED: usize = 0xffff;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let last = content.len().div_ceil(MAX_STORED).saturating_sub(1);
    for (index, block) in content.chunks(MAX_STORED).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(index == last));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(content).to_le_bytes());
    out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.into()
}

fn crc32(content: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    !content.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn compressed_content_has_header_stored_block_and_trailer() {
        assert_eq!(
            gzip(b"abc"),
            [
                &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..],
                &[1, 3, 0, 0xfc, 0xff],
                b"abc",
                &[0xc2, 0x41, 0x24, 0x35],
                &[3, 0, 0, 0]
            ]
            .concat()
        );
    }

    #[test]
    fn a_flood_keeps_the_real_keys_at_the_end() {
        let flooded = edited(&Bytes::from_static(b"{\"keys\":[{\"kid\":\"real\"}]}"), |fields| flood(fields, 2));
        let set: Value = serde_json::from_slice(&flooded).unwrap();
        let kids: Vec<_> = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(kids, ["flood-0", "flood-1", "real"]);
    }
}
