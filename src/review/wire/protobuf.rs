//! A TokenReview in Kubernetes' protobuf encoding: four magic bytes, an envelope that names the type, the object
//! (`k8s.io/apimachinery` `runtime.Unknown`, `k8s.io/api/authentication/v1`). Current typed clients send it unasked.

use prost::Message;

use super::Parts;

/// What every such body begins with.
const MAGIC: &[u8] = b"k8s\0";

#[derive(Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
    #[prost(string, tag = "3")]
    content_encoding: String,
}

#[derive(Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Message)]
struct Review {
    #[prost(message, optional, tag = "2")]
    spec: Option<Spec>,
}

#[derive(Message)]
struct Spec {
    #[prost(string, tag = "1")]
    token: String,
    #[prost(string, repeated, tag = "2")]
    audiences: Vec<String>,
}

/// `None` when it is not one, or is compressed.
pub(super) fn read(body: &[u8]) -> Option<Parts<'static>> {
    let envelope = Unknown::decode(body.strip_prefix(MAGIC)?).ok()?;
    if !envelope.content_encoding.is_empty() {
        return None;
    }
    let raw = zeroize::Zeroizing::new(envelope.raw);
    let spec = Review::decode(raw.as_slice()).ok()?.spec.unwrap_or_default();
    let type_meta = envelope.type_meta.unwrap_or_default();
    Some(Parts {
        api_version: Some(type_meta.api_version.into()),
        kind: Some(type_meta.kind.into()),
        token: Some(spec.token),
        audiences: spec.audiences,
    })
}

#[cfg(test)]
pub(super) fn write(api_version: &str, kind: &str, token: &str, audiences: &[&str]) -> Vec<u8> {
    let audiences = audiences.iter().map(|audience| (*audience).to_owned()).collect();
    let review = Review { spec: Some(Spec { token: token.to_owned(), audiences }) };
    let type_meta = TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() };
    let envelope = Unknown { type_meta: Some(type_meta), raw: review.encode_to_vec(), ..Unknown::default() };
    [MAGIC, &envelope.encode_to_vec()].concat()
}
