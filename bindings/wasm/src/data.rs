//! JavaScript's values to data and back: plain objects are maps, `Uint8Array`s are bytes, integers are numbers where a number holds
//! them exactly, else `BigInt`s.
//!
//! A value from outside may be anything: a proxy, an object of getters that throw, one that contains itself. Whatever it is, it becomes
//! data within bounds, or an `argument` failure.

use std::cell::RefCell;
use std::collections::BTreeMap;

use azall_bindings::{Failure, Value};
use js_sys::{Array, ArrayBuffer, BigInt, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// How deep data may be nested.
const MOST_DEPTH: usize = 32;

/// How many values one value may hold, itself included.
const MOST_VALUES: usize = 1 << 20;

/// How many bytes, of text and of bytes, one value may hold.
const MOST_BYTES: usize = 1 << 28;

/// How many of them may be text, and how large a file may be: what a message may hold. Text is copied and quoted, and what comes of it
/// must still have room in the module's memory, and in a string of JavaScript's.
const MOST_TEXT: usize = 1 << 26;

/// The largest integer that a number holds exactly, as all below it.
const LARGEST_SAFE: i128 = (1 << 53) - 1;

/// How many names of fields are kept, and how long one may be that is: the core's own are fewer and shorter. Others may be anybody's.
const MOST_NAMES: usize = 256;
const LONGEST_NAME: usize = 32;

thread_local! {
    static NAMES: RefCell<BTreeMap<String, JsValue>> = const { RefCell::new(BTreeMap::new()) };
}

// js-sys has these without `catch`: what a proxy or a detached buffer throws would fly past everything that has to be undone.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Object, js_name = keys, catch)]
    fn keys_of(value: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_namespace = Object, js_name = getPrototypeOf, catch)]
    fn prototype_of(value: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Array, js_name = isArray, catch)]
    fn is_array(value: &JsValue) -> Result<bool, JsValue>;

    #[wasm_bindgen(js_name = Uint8Array)]
    type Copied;

    #[wasm_bindgen(constructor, js_class = "Uint8Array", catch)]
    fn new(view: &JsValue) -> Result<Copied, JsValue>;
}

/// A value as data.
///
/// # Errors
/// `argument` when it, or something in it, has no form as data.
pub fn from_js(value: &JsValue) -> Result<Value, Failure> {
    Reader { values_left: MOST_VALUES, bytes_left: MOST_BYTES, text_left: MOST_TEXT }.read(value, MOST_DEPTH)
}

/// Text.
///
/// # Errors
/// `argument` when it is something else.
pub fn text_from_js(value: &JsValue) -> Result<String, Failure> {
    Reader { values_left: 1, bytes_left: MOST_TEXT, text_left: MOST_TEXT }.text(value)
}

/// Bytes of a file, or of something as large.
///
/// # Errors
/// `argument` when it is something else.
pub fn bytes_from_js(value: &JsValue) -> Result<Vec<u8>, Failure> {
    Reader { values_left: 1, bytes_left: MOST_TEXT, text_left: 0 }.bytes(value)
}

/// Reads one value, within what is left.
struct Reader {
    values_left: usize,
    bytes_left: usize,
    text_left: usize,
}

impl Reader {
    fn read(&mut self, value: &JsValue, depth_left: usize) -> Result<Value, Failure> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(too_large)?;
        let depth_left =
            depth_left.checked_sub(1).ok_or_else(|| Failure::argument("the value is nested too deeply"))?;
        if value.is_null() || value.is_undefined() {
            Ok(Value::Null)
        } else if let Some(flag) = value.as_bool() {
            Ok(Value::Bool(flag))
        } else if let Some(number) = value.as_f64() {
            Ok(number_data(number))
        } else if value.is_string() {
            self.text(value).map(Value::Text)
        } else if value.is_bigint() {
            big_data(value)
        } else if ArrayBuffer::is_view(value) {
            self.bytes(value).map(Value::Bytes)
        } else if is_array(value).map_err(|_| unreadable())? {
            self.array(value, depth_left)
        } else {
            self.object(value, depth_left)
        }
    }

    fn text(&mut self, value: &JsValue) -> Result<String, Failure> {
        let string = value.dyn_ref::<js_sys::JsString>().ok_or_else(|| Failure::argument("it is no text"))?;
        // As many bytes as there are code units at least, at most three times as many.
        if usize::try_from(string.length()).unwrap_or(usize::MAX) > self.text_left {
            return Err(too_large());
        }
        let text = String::from(string);
        self.text_left = self.text_left.checked_sub(text.len()).ok_or_else(too_large)?;
        self.count_bytes(text.len())?;
        Ok(text)
    }

    /// Bytes are copied before they are looked at: a view of a class of its own may lie about its length.
    fn bytes(&mut self, value: &JsValue) -> Result<Vec<u8>, Failure> {
        let no_bytes = || Failure::argument("bytes are a Uint8Array");
        if !(ArrayBuffer::is_view(value) && value.is_instance_of::<Uint8Array>()) {
            return Err(no_bytes());
        }
        let copied: Uint8Array = Copied::new(value).map_err(|_| no_bytes())?.unchecked_into();
        self.count_bytes(usize::try_from(copied.length()).unwrap_or(usize::MAX))?;
        Ok(copied.to_vec())
    }

    fn count_bytes(&mut self, count: usize) -> Result<(), Failure> {
        self.bytes_left = self.bytes_left.checked_sub(count).ok_or_else(too_large)?;
        Ok(())
    }

    fn array(&mut self, value: &JsValue, depth_left: usize) -> Result<Value, Failure> {
        let length = property(value, &"length".into())?.as_f64().unwrap_or(0.0);
        if length > self.values_left as f64 {
            return Err(too_large());
        }
        let items = (0..length as u32).map(|at| {
            let item = Reflect::get_u32(value, at).map_err(|_| unreadable())?;
            self.read(&item, depth_left)
        });
        items.collect::<Result<_, _>>().map(Value::Array)
    }

    fn object(&mut self, value: &JsValue, depth_left: usize) -> Result<Value, Failure> {
        if !is_plain(value)? {
            return Err(Failure::argument("data is made of plain objects, arrays, text, numbers and Uint8Arrays"));
        }
        let keys = keys_of(value).map_err(|_| unreadable())?;
        let mut fields = Vec::new();
        for key in keys.iter() {
            let item = property(value, &key)?;
            // A field that is undefined is one that is not there.
            if !item.is_undefined() {
                fields.push((Value::Text(self.text(&key)?), self.read(&item, depth_left)?));
            }
        }
        Ok(Value::Map(fields))
    }
}

fn too_large() -> Failure {
    Failure::argument("the value is too large")
}

fn unreadable() -> Failure {
    Failure::argument("the value cannot be read: it threw")
}

fn property(value: &JsValue, key: &JsValue) -> Result<JsValue, Failure> {
    Reflect::get(value, key).map_err(|_| unreadable())
}

/// Whether it is an object without a class: one of another window or realm is as good.
fn is_plain(value: &JsValue) -> Result<bool, Failure> {
    if !value.is_object() {
        return Ok(false);
    }
    let prototype = prototype_of(value).map_err(|_| unreadable())?;
    Ok(prototype.is_null() || prototype_of(&prototype).map_err(|_| unreadable())?.is_null())
}

fn number_data(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= LARGEST_SAFE as f64 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

fn big_data(value: &JsValue) -> Result<Value, Failure> {
    let big: &BigInt = value.unchecked_ref();
    let signed = i64::try_from(big.clone()).map(Value::from);
    signed
        .or_else(|_| u64::try_from(big.clone()).map(Value::from))
        .map_err(|_| Failure::argument("the integer is too large"))
}

/// Data as JavaScript has it.
///
/// # Errors
/// `data` for what has no form there.
pub fn to_js(value: &Value) -> Result<JsValue, Failure> {
    Ok(match value {
        Value::Null => JsValue::NULL,
        Value::Bool(flag) => JsValue::from_bool(*flag),
        Value::Integer(integer) => integer_to_js(i128::from(*integer))?,
        Value::Float(number) => JsValue::from_f64(*number),
        Value::Text(text) => JsValue::from_str(text),
        Value::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
        Value::Array(items) => items.iter().map(to_js).collect::<Result<Array, _>>()?.into(),
        Value::Map(fields) => map_to_js(fields)?,
        _ => return Err(Failure::new("data", "a value has no form in JavaScript")),
    })
}

fn integer_to_js(integer: i128) -> Result<JsValue, Failure> {
    if integer.abs() <= LARGEST_SAFE {
        return Ok(JsValue::from_f64(integer as f64));
    }
    let big = i64::try_from(integer).map(JsValue::from).or_else(|_| u64::try_from(integer).map(JsValue::from));
    big.map_err(|_| Failure::new("data", "an integer is too large"))
}

fn map_to_js(fields: &[(Value, Value)]) -> Result<JsValue, Failure> {
    let object = Object::new();
    for (key, value) in fields {
        let key = key.as_text().ok_or_else(|| Failure::new("data", "a field has no name"))?;
        set(&object, key, &to_js(value)?)?;
    }
    Ok(object.into())
}

/// The name of a field as JavaScript's text. The same few come again and again, so they are made once.
fn name_to_js(name: &str) -> JsValue {
    NAMES.with_borrow_mut(|names| {
        if let Some(known) = names.get(name) {
            return known.clone();
        }
        let made = JsValue::from_str(name);
        if names.len() < MOST_NAMES && name.len() <= LONGEST_NAME {
            names.insert(name.to_owned(), made.clone());
        }
        made
    })
}

/// Gives an object a property of its own, whatever its name: that of the prototype, set as others are, would be something else.
fn set(object: &Object, key: &str, value: &JsValue) -> Result<(), Failure> {
    let refused = |_| Failure::new("data", format!("the field {key:?} cannot be set"));
    if key != "__proto__" {
        return Reflect::set(object, &name_to_js(key), value).map(|_| ()).map_err(refused);
    }
    let property = Object::new();
    for flag in ["enumerable", "configurable", "writable"] {
        Reflect::set(&property, &flag.into(), &JsValue::TRUE).map_err(refused)?;
    }
    Reflect::set(&property, &"value".into(), value).map_err(refused)?;
    Reflect::define_property(object, &key.into(), &property).map(|_| ()).map_err(refused)
}

/// An object of these properties, for what is no data: an instance of a class among them.
///
/// # Errors
/// `data` when one cannot be set.
pub fn object<const N: usize>(properties: [(&str, JsValue); N]) -> Result<JsValue, Failure> {
    let object = Object::new();
    properties.iter().try_for_each(|(name, value)| set(&object, name, value))?;
    Ok(object.into())
}
