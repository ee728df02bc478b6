//! The pure functions of the protocol.

use azall_bindings::protocol::{indexes, messages, rules, signatures, trust};
use azall_bindings::{Failure, Value};
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::data::{from_python, text};
use crate::error::OrRaise as _;
use crate::keys::Identity;
use crate::to_python::to_python;

/// A message file taken apart.
#[pyfunction]
pub(crate) fn parse_message<'py>(py: Python<'py>, file: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let parsed = py.detach(|| messages::parse(file));
    to_python(py, &parsed)
}

/// A message file's text.
#[pyfunction]
pub(crate) fn format_message(message: &Bound<'_, PyAny>) -> PyResult<String> {
    let data = from_python(message)?;
    message.py().detach(|| messages::format(&data)).or_raise(message.py())
}

/// A new message's id.
#[pyfunction]
pub(crate) fn new_message_id(
    sender: &Bound<'_, PyAny>,
    to: &Bound<'_, PyAny>,
    subject: &Bound<'_, PyAny>,
    iso_now: &Bound<'_, PyAny>,
    random_hex: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let (sender, to, subject) = (text(sender)?, text(to)?, text(subject)?);
    Ok(messages::new_id(&sender, &to, &subject, &text(iso_now)?, &text(random_hex)?))
}

/// A name as a file name.
#[pyfunction]
pub(crate) fn sanitize(name: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(messages::sanitize(&text(name)?))
}

fn keys(keys: Option<&Bound<'_, PyAny>>) -> PyResult<signatures::Keys> {
    let Some(keys) = keys else { return Ok(signatures::Keys::new()) };
    signatures::read_keys(&from_python(keys)?).or_raise(keys.py())
}

/// What a message file's signature proves.
#[pyfunction]
#[pyo3(signature = (file, known=None))]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    file: &[u8],
    known: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let known = keys(known)?;
    let verdict = py.detach(|| signatures::verify(file, &known));
    to_python(py, &verdict)
}

/// What the signature in a text proves.
#[pyfunction]
#[pyo3(signature = (body, headers=None, known=None))]
pub(crate) fn verify_body<'py>(
    py: Python<'py>,
    body: &Bound<'py, PyAny>,
    headers: Option<&Bound<'py, PyAny>>,
    known: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let headers = headers.map(pairs).transpose()?.unwrap_or_default();
    let (body, known) = (text(body)?, keys(known)?);
    let verdict = py.detach(|| signatures::verify_body(&headers, &body, &known));
    to_python(py, &verdict)
}

/// Headers: a dict, or a list of pairs.
fn pairs(headers: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let pair = |pair: Value| match pair.into_array().ok().map(<[Value; 2]>::try_from) {
        Some(Ok([Value::Text(name), Value::Text(value)])) => Some((name, value)),
        _ => None,
    };
    let read = match from_python(headers)? {
        Value::Map(fields) => fields
            .into_iter()
            .map(|(name, value)| Some((name.into_text().ok()?, value.into_text().ok()?)))
            .collect::<Option<_>>(),
        Value::Array(items) => items.into_iter().map(pair).collect(),
        _ => None,
    };
    read.ok_or_else(|| Failure::argument("headers are a dict of str, or a list of pairs of str")).or_raise(headers.py())
}

/// A body signed by itself.
#[pyfunction]
pub(crate) fn sign_body(identity: &Identity, body: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = text(body)?;
    Ok(body.py().detach(|| signatures::sign_body(&identity.0, &text)))
}

/// A body signed with its headers.
#[pyfunction]
pub(crate) fn sign_message(
    identity: &Identity,
    headers: &Bound<'_, PyAny>,
    body: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let (headers, text) = (from_python(headers)?, text(body)?);
    body.py().detach(|| signatures::sign_message(&identity.0, &headers, &text)).or_raise(body.py())
}

/// A body signed in the documented form.
#[pyfunction]
pub(crate) fn sign_documented(
    identity: &Identity,
    headers: &Bound<'_, PyAny>,
    body: &Bound<'_, PyAny>,
) -> PyResult<String> {
    let (headers, text) = (from_python(headers)?, text(body)?);
    body.py().detach(|| signatures::sign_documented(&identity.0, &headers, &text)).or_raise(body.py())
}

/// Whether a filter lets a sender through.
#[pyfunction]
pub(crate) fn accepts(filter: &Bound<'_, PyAny>, sender: &Bound<'_, PyAny>) -> PyResult<bool> {
    rules::accepts(&from_python(filter)?, &text(sender)?).or_raise(filter.py())
}

/// The index of a day.
#[pyfunction]
pub(crate) fn day_index(day: &Bound<'_, PyAny>) -> PyResult<String> {
    let data = from_python(day)?;
    day.py().detach(|| indexes::day(&data)).or_raise(day.py())
}

/// The index of all memories.
#[pyfunction]
pub(crate) fn memory_index(memories: &Bound<'_, PyAny>) -> PyResult<String> {
    let data = from_python(memories)?;
    memories.py().detach(|| indexes::memories(&data)).or_raise(memories.py())
}

/// The description in a script's `.meta.json`.
#[pyfunction]
pub(crate) fn script_description(meta: &[u8]) -> String {
    indexes::description(meta)
}

/// The fingerprint of a machine with these facts.
#[pyfunction]
pub(crate) fn machine_fingerprint(facts: Vec<String>) -> String {
    trust::machine_fingerprint(&facts)
}

/// A trust token.
#[pyfunction]
pub(crate) fn make_token<'py>(
    setting: &Bound<'py, PyAny>,
    nonce: &[u8],
    machine_name: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let made = trust::make(&from_python(setting)?, nonce, &text(machine_name)?).or_raise(setting.py())?;
    to_python(setting.py(), &made)
}

/// A trust token, checked.
#[pyfunction]
pub(crate) fn check_token<'py>(token: &Bound<'py, PyAny>, setting: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let checked = trust::check(&text(token)?, &from_python(setting)?).or_raise(setting.py())?;
    to_python(setting.py(), &checked)
}

/// An owner's word, proven.
#[pyfunction]
pub(crate) fn owner_sign(secret: &Bound<'_, PyAny>, message: &Bound<'_, PyAny>) -> PyResult<String> {
    trust::owner_sign(&text(secret)?, &text(message)?).or_raise(secret.py())
}

/// Whether an owner's word is theirs.
#[pyfunction]
pub(crate) fn owner_verify(
    secret: &Bound<'_, PyAny>,
    message: &Bound<'_, PyAny>,
    signature: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    trust::owner_verify(&text(secret)?, &text(message)?, &text(signature)?).or_raise(secret.py())
}
