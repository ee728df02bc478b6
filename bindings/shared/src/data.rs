//! Plain data to checked values and back.

use ciborium::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Anything as data.
///
/// # Errors
/// When it has no form as data, which no type of the core lacks.
pub fn to_data(value: &impl Serialize) -> Result<Value, Failure> {
    Value::serialized(value).map_err(|error| Failure::new("data", error))
}

/// Data as what it must be.
///
/// # Errors
/// `argument`: what is missing or wrong.
pub fn from_data<T: DeserializeOwned>(data: &Value) -> Result<T, Failure> {
    data.deserialized().map_err(|error| Failure::argument(said(&error)))
}

/// What an error of the library says, without its wrapping.
pub(crate) fn said(error: &ciborium::value::Error) -> String {
    let ciborium::value::Error::Custom(text) = error;
    text.clone()
}

/// A map of these fields.
pub(crate) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// The value of a text field.
pub(crate) fn field<'a>(data: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = data.as_map()?;
    fields.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}
