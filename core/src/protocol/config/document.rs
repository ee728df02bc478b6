//! The config file as JSON: every key in its place, also those that are not known here.

use serde_json::{Map, Value};
use zeroize::Zeroize as _;

use super::ConfigError;
use crate::protocol::python_json;

/// The largest config that is read. A mailbox's is about one kilobyte.
const LIMIT: usize = 512 << 10;

/// Keys whose text is secret wherever they stand, so that the document wipes it.
const SECRET_KEYS: [&str; 3] = ["agent_key", "token", "password"];

/// Reads a JSON object. A byte order mark, as some editors write it, is skipped.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, ConfigError> {
    if bytes.len() > LIMIT {
        return Err(ConfigError::TooLarge { bytes: bytes.len(), limit: LIMIT });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(mut other) => {
            wipe(&mut other);
            Err(ConfigError::NotAnObject { found: kind(&other) })
        }
        Err(error) => Err(ConfigError::NotJson {
            line: error.line(),
            column: error.column(),
            why: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        }),
    }
}

/// What sort of JSON value it is, with its article.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The whole config file. Its secrets are wiped when it is dropped.
#[derive(Clone, PartialEq)]
pub(super) struct Document(Map<String, Value>);

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        parse_object(bytes).map(Self)
    }

    pub(super) const fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    pub(super) const fn map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(super) const fn map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// The file's text, as Python's `json.dumps(indent=2)` writes it.
    pub(super) fn to_json(&self) -> String {
        python_json::pretty_object(&self.0)
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe_entry);
    }
}

fn wipe_entry((key, value): (&String, &mut Value)) {
    if SECRET_KEYS.contains(&key.as_str()) { wipe(value) } else { wipe_secrets(value) }
}

/// Wipes what lies under a secret key, at any depth.
fn wipe_secrets(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(wipe_secrets),
        Value::Object(map) => map.iter_mut().for_each(wipe_entry),
        _ => {}
    }
}

/// Wipes every text.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wiping_takes_secrets_and_nothing_else() {
        let mut value =
            json!({"email": {"password": "p", "username": "u"}, "relays": [{"token": "t"}], "agent_key": ["k"]});
        wipe_secrets(&mut value);
        assert_eq!(
            value,
            json!({"email": {"password": "", "username": "u"}, "relays": [{"token": ""}], "agent_key": [""]})
        );
    }

    #[test]
    fn syntax_errors_name_their_line() {
        let error = parse_object(b"{\n  \"a\": 1,\n  \"b\": x\n}").unwrap_err();
        assert!(matches!(error, ConfigError::NotJson { line: 3, .. }), "{error:?}");
        assert!(matches!(parse_object(b"[]"), Err(ConfigError::NotAnObject { found: "a list" })));
        assert!(matches!(parse_object(&[b' '; LIMIT + 1]), Err(ConfigError::TooLarge { .. })));
        assert!(parse_object(b"\xef\xbb\xbf{}").is_ok());
        assert!(parse_object("[".repeat(100_000).as_bytes()).is_err());
    }
}
