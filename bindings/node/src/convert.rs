//! JavaScript values to data and back: `Uint8Array`s are bytes, whole numbers are integers, plain objects are maps.

use azall_bindings::{Failure, Value};
use napi::bindgen_prelude::{
    BigInt, FromNapiValue, JsObjectValue, JsValue, Null, Object, ToNapiValue, Uint8ArraySlice, Unknown,
};
use napi::{Env, KeyCollectionMode, KeyConversion, KeyFilter, Property, PropertyAttributes, ValueType};

/// How deep data may be nested. What the core takes and gives is far flatter.
const MOST_LEVELS: usize = 64;

/// How many values there may be in one piece of data: a sparse array of four thousand million is refused, not walked.
const MOST_VALUES: usize = 16 * 1024 * 1024;

/// The whole numbers that a JavaScript number holds exactly.
const MOST_EXACT: i128 = 9_007_199_254_740_991;

/// A JavaScript value as data.
///
/// # Errors
/// `argument` for what has no form as data: functions, symbols, circles.
pub(crate) fn data(value: Unknown<'_>) -> Result<Value, Failure> {
    Reader { values_left: MOST_VALUES }.read(value, MOST_LEVELS)
}

/// An argument that is text.
///
/// # Errors
/// `argument` when it is none.
pub(crate) fn text(value: Unknown<'_>, name: &str) -> Result<String, Failure> {
    match data(value)? {
        Value::Text(text) => Ok(text),
        _ => Err(Failure::argument(format!("{name} must be text"))),
    }
}

/// An argument that is text or left out.
///
/// # Errors
/// `argument` when it is anything else.
pub(crate) fn optional_text(value: Option<Unknown<'_>>, name: &str) -> Result<Option<String>, Failure> {
    match value.map(data).transpose()? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::argument(format!("{name} must be text"))),
    }
}

/// An argument that is bytes.
///
/// # Errors
/// `argument` when it is none.
pub(crate) fn bytes(value: Unknown<'_>, name: &str) -> Result<Vec<u8>, Failure> {
    match data(value)? {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(Failure::argument(format!("{name} must be a Uint8Array"))),
    }
}

/// An argument that is true or false.
///
/// # Errors
/// `argument` when it is neither.
pub(crate) fn flag(value: Unknown<'_>, name: &str) -> Result<bool, Failure> {
    match data(value)? {
        Value::Bool(flag) => Ok(flag),
        _ => Err(Failure::argument(format!("{name} must be true or false"))),
    }
}

/// An argument that is a whole number from 0 to `most`.
///
/// # Errors
/// `argument` when it is none.
pub(crate) fn count(value: Unknown<'_>, name: &str, most: u32) -> Result<u32, Failure> {
    let number = data(value)?.as_integer().and_then(|number| u32::try_from(number).ok());
    let wrong = || Failure::argument(format!("{name} must be a whole number from 0 to {most}"));
    number.filter(|number| *number <= most).ok_or_else(wrong)
}

/// A failure of Node's own.
fn odd(error: napi::Error) -> Failure {
    Failure::argument(format!("a value cannot be read: {}", error.reason))
}

fn too_large() -> Failure {
    Failure::argument("the data has too many values")
}

struct Reader {
    values_left: usize,
}

impl Reader {
    fn read(&mut self, value: Unknown<'_>, levels: usize) -> Result<Value, Failure> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(too_large)?;
        Ok(match value.get_type().map_err(odd)? {
            ValueType::Undefined | ValueType::Null => Value::Null,
            ValueType::Boolean => Value::Bool(bool::from_unknown(value).map_err(odd)?),
            ValueType::Number => number(f64::from_unknown(value).map_err(odd)?),
            ValueType::BigInt => big(&BigInt::from_unknown(value).map_err(odd)?)?,
            ValueType::String => Value::Text(String::from_unknown(value).map_err(odd)?),
            ValueType::Object => self.object(value, levels)?,
            other => return Err(Failure::argument(format!("a {other} is no data"))),
        })
    }

    fn object(&mut self, value: Unknown<'_>, levels: usize) -> Result<Value, Failure> {
        let too_deep = || Failure::argument("the data is nested too deeply, or in a circle");
        let levels = levels.checked_sub(1).ok_or_else(too_deep)?;
        let object = Object::from_unknown(value).map_err(odd)?;
        if object.is_typedarray().map_err(odd)? {
            let only = |_| Failure::argument("of the typed arrays only a Uint8Array is data");
            return Ok(Value::Bytes(Uint8ArraySlice::from_unknown(value).map_err(only)?.to_vec()));
        }
        if object.is_array().map_err(odd)? {
            return self.array(&object, levels);
        }
        if object.is_arraybuffer().map_err(odd)?
            || object.is_dataview().map_err(odd)?
            || object.is_promise().map_err(odd)?
        {
            return Err(Failure::argument("an object of this kind is no data"));
        }
        self.map(&object, levels)
    }

    fn array(&mut self, array: &Object<'_>, levels: usize) -> Result<Value, Failure> {
        let length = array.get_array_length().map_err(odd)?;
        if usize::try_from(length).is_ok_and(|length| length > self.values_left) {
            return Err(too_large());
        }
        let mut items = Vec::new();
        for index in 0..length {
            items.push(self.read(array.get_element(index).map_err(odd)?, levels)?);
        }
        Ok(Value::Array(items))
    }

    /// Own, enumerable fields; those that are `undefined` are as good as left out.
    fn map(&mut self, object: &Object<'_>, levels: usize) -> Result<Value, Failure> {
        let (own, kinds) = (KeyCollectionMode::OwnOnly, KeyFilter::Enumerable);
        let names = object.get_all_property_names(own, kinds, KeyConversion::NumbersToStrings).map_err(odd)?;
        let mut fields = Vec::new();
        for index in 0..names.get_array_length().map_err(odd)? {
            let name: Unknown<'_> = names.get_element(index).map_err(odd)?;
            if name.get_type().map_err(odd)? == ValueType::Symbol {
                continue;
            }
            let field: Unknown<'_> = object.get_property(name).map_err(odd)?;
            if field.get_type().map_err(odd)? != ValueType::Undefined {
                fields.push((Value::Text(String::from_unknown(name).map_err(odd)?), self.read(field, levels)?));
            }
        }
        Ok(Value::Map(fields))
    }
}

/// A number as an integer where it is one.
fn number(number: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "a whole number that a JavaScript number holds exactly")]
    if number.fract() == 0.0 && number.abs() <= MOST_EXACT as f64 {
        Value::from(number as i64)
    } else {
        Value::Float(number)
    }
}

fn big(big: &BigInt) -> Result<Value, Failure> {
    match (big.get_i64(), big.get_u64()) {
        ((number, true), _) => Ok(Value::from(number)),
        (_, (false, number, true)) => Ok(Value::from(number)),
        _ => Err(Failure::argument("an integer has more than 64 bits")),
    }
}

/// Data as a JavaScript value.
///
/// # Errors
/// Node's own, when it has no room for more.
pub(crate) fn value<'env>(env: &'env Env, data: &Value) -> napi::Result<Unknown<'env>> {
    match data {
        Value::Bool(truth) => truth.into_unknown(env),
        Value::Integer(number) => integer(env, i128::from(*number)),
        Value::Float(number) => number.into_unknown(env),
        Value::Text(text) => text.as_str().into_unknown(env),
        Value::Bytes(bytes) => Ok(Uint8ArraySlice::copy_from(env, bytes)?.to_unknown()),
        Value::Array(items) => {
            let mut array = env.create_array(u32::try_from(items.len()).unwrap_or(u32::MAX))?;
            for (index, item) in (0..).zip(items) {
                array.set(index, value(env, item)?)?;
            }
            Ok(array.to_unknown())
        }
        Value::Map(fields) => map(env, fields),
        Value::Tag(_, inner) => value(env, inner),
        _ => Null.into_unknown(env),
    }
}

/// An integer as a number where that holds it exactly.
fn integer<'env>(env: &'env Env, integer: i128) -> napi::Result<Unknown<'env>> {
    if integer.abs() > MOST_EXACT {
        return BigInt::from(integer).into_unknown(env);
    }
    #[allow(clippy::cast_precision_loss, reason = "exact within these bounds")]
    let number = integer as f64;
    number.into_unknown(env)
}

fn map<'env>(env: &'env Env, fields: &[(Value, Value)]) -> napi::Result<Unknown<'env>> {
    let mut object = Object::new(env)?;
    for (name, field) in fields {
        let Value::Text(name) = name else { continue };
        let field = value(env, field)?;
        if name == "__proto__" {
            // Set like the others it would be the object's prototype, and names may come from outside.
            let own = PropertyAttributes::Writable | PropertyAttributes::Enumerable | PropertyAttributes::Configurable;
            let property = Property::new().with_utf8_name(name)?.with_value(&field).with_property_attributes(own);
            object.define_properties(&[property])?;
        } else {
            object.set_property(env.create_string(name)?, field)?;
        }
    }
    Ok(object.to_unknown())
}
