//! What becomes of an expression's result.

use serde_json::{Map as JsonMap, Value as Json, json};

use super::budget::Meter;
use super::error::Fault;
use super::value::{Value, time};

const NOT_STRINGS: Fault = Fault::Invalid("the result is neither a string nor a list of strings");

pub(super) fn boolean(value: &Value<'_>) -> Result<bool, Fault> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(Fault::Invalid("the result is neither true nor false")),
    }
}

pub(super) fn string(value: &Value<'_>) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.to_string()),
        _ => Err(Fault::Invalid("the result is not a string")),
    }
}

pub(super) fn strings(value: &Value<'_>, meter: &mut Meter) -> Result<Vec<String>, Fault> {
    // A list may hold one long text many times; here each becomes a text of its own, which is memory.
    let mut text = |value: &Value<'_>| match value {
        Value::String(text) => meter.charge(value.size()).map(|()| text.to_string()),
        _ => Err(NOT_STRINGS),
    };
    let found = match value {
        Value::Null => Vec::new(),
        Value::List(list) => list.iter().map(|item| text(&item)).collect::<Result<_, _>>()?,
        value => vec![text(value)?],
    };
    Ok(found.into_iter().filter(|text: &String| !text.is_empty()).collect())
}

pub(super) fn shown(value: &Value<'_>) -> Result<Json, Fault> {
    let content = match value {
        Value::Bool(value) => json!(value),
        Value::Bytes(bytes) => json!(bytes.to_vec()),
        Value::Claims(_) | Value::User(_) | Value::Null => Json::Null,
        Value::Double(value) => json!(value.to_string()),
        Value::Duration(span) => json!(time::duration_text(*span)),
        Value::Int(value) => json!(value.to_string()),
        Value::List(list) => Json::Array(list.iter().map(|item| shown(&item)).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut members = JsonMap::new();
            for key in map.keys() {
                let found = map.find_exactly(&key).unwrap_or(Value::Null);
                members.insert(shown(&key)?.to_string(), shown(&found)?);
            }
            Json::Object(members)
        }
        Value::Opaque(value) => json!(value.text()),
        Value::Optional(inner) => inner.as_ref().map(|inner| shown(inner)).transpose()?.unwrap_or(Json::Null),
        Value::String(text) => json!(&**text),
        Value::Timestamp(time) => json!(time.text()?),
        Value::Type(named) => json!(type_name(named)),
        Value::Uint(value) => json!(value.to_string()),
    };
    Ok(json!({"type": type_name(&value.type_of()), "value": content}))
}

/// The name of a type without what is inside: `list`, not `list(dyn)`.
fn type_name(of: &super::types::Type) -> String {
    let name = of.to_string();
    name.split_once('(').map_or_else(|| name.clone(), |(name, _)| name.to_owned())
}
