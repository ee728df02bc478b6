//! Python's objects to data.

use azall_bindings::{Failure, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};

use crate::error::{OrRaise as _, raised};

/// How deep data may be nested: more is a mistake, or meant to exhaust the stack.
const MOST_NESTED: usize = 64;

/// Python's objects as data. What is none is refused by its place: a lone surrogate, a huge number, a type of its own.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    convert(object, 0).map_err(|error| error.raise(object.py()))
}

/// Why an object is no data.
enum Unfit {
    /// What is wrong.
    Argument(String),
    /// What Python itself raised.
    Raised(PyErr),
}

impl Unfit {
    fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Argument(why) => raised(py, &Failure::argument(why)),
            Self::Raised(error) => error,
        }
    }

    fn argument(why: impl Into<String>) -> Self {
        Self::Argument(why.into())
    }
}

impl From<PyErr> for Unfit {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

fn convert(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Unfit> {
    if depth > MOST_NESTED {
        return Err(Unfit::argument(format!("the data is nested deeper than {MOST_NESTED} levels")));
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        return map(dict, depth);
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return text_of(text).map(Value::Text);
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    // Before int, of which it is a kind.
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        let small = object.extract::<i128>().ok().and_then(|value| value.try_into().ok());
        let number = small.ok_or_else(|| Unfit::argument("an integer has more than 64 bits"))?;
        return Ok(Value::Integer(number));
    }
    if let Ok(value) = object.cast::<PyFloat>() {
        return Ok(Value::Float(value.value()));
    }
    if let Ok(list) = object.cast::<PyList>() {
        return list.iter().map(|item| convert(&item, depth + 1)).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return tuple.iter().map(|item| convert(&item, depth + 1)).collect::<Result<_, _>>().map(Value::Array);
    }
    if object.is_instance_of::<PyByteArray>() || object.is_instance_of::<PyMemoryView>() {
        let bytes = object.py().get_type::<PyBytes>().call1((object,))?;
        return convert(&bytes, depth);
    }
    Err(Unfit::argument(format!("a value of the type {} is no plain data", type_name(object))))
}

fn map(dict: &Bound<'_, PyDict>, depth: usize) -> Result<Value, Unfit> {
    let mut fields = Vec::with_capacity(dict.len());
    for (name, value) in dict.iter() {
        let name = name.cast::<PyString>().map_err(|_| Unfit::argument("the keys of a dict must be str"))?;
        fields.push((Value::Text(text_of(name)?), convert(&value, depth + 1)?));
    }
    Ok(Value::Map(fields))
}

fn text_of(text: &Bound<'_, PyString>) -> Result<String, Unfit> {
    text.to_cow().map(std::borrow::Cow::into_owned).map_err(|_| Unfit::argument("a str holds a lone surrogate"))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// A text that an argument is.
pub(crate) fn text(argument: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = argument.py();
    match from_python(argument)? {
        Value::Text(text) => Ok(text),
        _ => Err(Failure::argument(format!("a str is wanted, not {}", type_name(argument)))).or_raise(py),
    }
}
