//! Data as JSON and back. Bytes are `{"$bytes": BASE64}`.

use azall_bindings::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

/// Data as JSON.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Integer(integer) => json!(i64::try_from(i128::from(*integer)).unwrap()),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "$bytes": STANDARD.encode(bytes) }),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(fields) => {
            let field = |(name, value): &(Value, Value)| (name.as_text().unwrap().to_owned(), to_json(value));
            Json::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        other => panic!("{other:?}"),
    }
}

/// JSON as data.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Object(fields) => match fields.get("$bytes") {
            Some(base64) => Value::Bytes(STANDARD.decode(base64.as_str().unwrap()).unwrap()),
            None => Value::Map(fields.iter().map(|(name, value)| (name.as_str().into(), from_json(value))).collect()),
        },
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        plain => Value::serialized(plain).unwrap(),
    }
}
