//! The arguments of exported functions: each is checked, and a wrong one is told by its name.

use azall_bindings::{Failure, Value, data::from_data};
use azall_core::protocol::time::Now;
use js_sys::{Function, Reflect};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::{JsCast, JsValue};

use crate::data::{bytes_from_js, from_js, text_from_js};

/// The failure with the name of the argument before its words.
fn named(name: &str) -> impl Fn(Failure) -> Failure {
    move |failure| Failure { message: format!("{name}: {}", failure.message), ..failure }
}

/// Text.
///
/// # Errors
/// `argument` when it is none.
pub fn text(name: &str, value: &JsValue) -> Result<String, Failure> {
    text_from_js(value).map_err(named(name))
}

/// Text, or nothing.
///
/// # Errors
/// `argument` when it is something else.
pub fn optional_text(name: &str, value: &JsValue) -> Result<Option<String>, Failure> {
    if value.is_undefined() || value.is_null() { Ok(None) } else { text(name, value).map(Some) }
}

/// Bytes.
///
/// # Errors
/// `argument` when they are none.
pub fn bytes(name: &str, value: &JsValue) -> Result<Vec<u8>, Failure> {
    bytes_from_js(value).map_err(named(name))
}

/// A truth value; what is left out is false.
///
/// # Errors
/// `argument` when it is none.
pub fn flag(name: &str, value: &JsValue) -> Result<bool, Failure> {
    if value.is_undefined() {
        return Ok(false);
    }
    value.as_bool().ok_or_else(|| Failure::argument(format!("{name}: it is neither true nor false")))
}

/// A whole number from 0 to `most`.
///
/// # Errors
/// `argument` when it is none.
pub fn count(name: &str, value: &JsValue, most: u32) -> Result<u32, Failure> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=f64::from(most)).contains(number));
    number.map(|number| number as u32).ok_or_else(|| Failure::argument(format!("{name}: it is no number up to {most}")))
}

/// Data.
///
/// # Errors
/// `argument` when it has no form as data.
pub fn data(name: &str, value: &JsValue) -> Result<Value, Failure> {
    from_js(value).map_err(named(name))
}

/// A moment, `{unix_ms, offset_seconds}`.
///
/// # Errors
/// `argument` when it is none.
pub fn now(value: &JsValue) -> Result<Now, Failure> {
    made("now", value, from_data)
}

/// What is made of data, of nothing else.
///
/// # Errors
/// `argument` when it has no form as data, and what making it fails with.
pub fn made<T>(name: &str, value: &JsValue, make: impl FnOnce(&Value) -> Result<T, Failure>) -> Result<T, Failure> {
    let made = data(name, value).map(|data| make(&data))?;
    made.map_err(|failure| if failure.code == "argument" { named(name)(failure) } else { failure })
}

/// A list of text.
///
/// # Errors
/// `argument` when it is none.
pub fn texts(name: &str, value: &JsValue) -> Result<Vec<String>, Failure> {
    made(name, value, from_data)
}

/// A list of names with their values.
///
/// # Errors
/// `argument` when it is none.
pub fn pairs(name: &str, value: &JsValue) -> Result<Vec<(String, String)>, Failure> {
    made(name, value, from_data)
}

/// What an instance of one of this module's classes stands for. The glue would throw an error of its own for any other value; so the
/// instance is asked for another of itself, which is taken.
///
/// # Errors
/// `argument` when it is no instance, or one that was freed.
pub fn instance<T: TryFromJsValue>(name: &str, value: &JsValue) -> Result<T, Failure> {
    let wrong = || Failure::argument(format!("{name}: it is no instance of its class"));
    let clone = Reflect::get(value, &"clone".into()).map_err(|_| wrong())?;
    let clone = clone.dyn_into::<Function>().map_err(|_| wrong())?;
    clone.call0(value).ok().and_then(|fresh| T::try_from_js_value(fresh).ok()).ok_or_else(wrong)
}
