//! Identities, keyrings, and the ids of what was received.

use std::sync::{Mutex, MutexGuard, PoisonError};

use azall_bindings::protocol::keys;
use azall_core::protocol::dedupe::{self, Save};
use azall_core::protocol::time::Now;
use azall_core::protocol::{identity, keyring};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::data::{from_python, text};
use crate::error::OrRaise as _;
use crate::to_python::to_python;

/// A key pair.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Identity(pub(crate) identity::Identity);

#[pymethods]
impl Identity {
    #[staticmethod]
    fn from_seed(py: Python<'_>, seed: &[u8]) -> PyResult<Self> {
        keys::identity_from_seed(seed).map(Self).or_raise(py)
    }

    #[staticmethod]
    fn from_file(py: Python<'_>, file: &[u8]) -> PyResult<Self> {
        keys::identity_from_file(file).map(Self).or_raise(py)
    }

    fn to_file<'py>(&self, py: Python<'py>, created: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.0.to_json(&text(created)?).as_bytes()))
    }

    #[getter]
    fn fingerprint(&self) -> String {
        self.0.fingerprint().to_string()
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public_key())
    }

    #[getter]
    fn public_key_b64(&self) -> String {
        self.0.public_key_b64()
    }

    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        let signature = py.detach(|| self.0.sign(message));
        PyBytes::new(py, &signature)
    }

    /// Never the private key.
    fn __repr__(&self) -> String {
        format!("<azall.protocol.Identity {}>", self.0.fingerprint())
    }
}

/// The fingerprint of a public key: 32 bytes, or their base64.
#[pyfunction]
pub(crate) fn fingerprint_of(public_key: &Bound<'_, PyAny>) -> PyResult<String> {
    keys::fingerprint_of(&from_python(public_key)?).or_raise(public_key.py())
}

/// The keys that were seen.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Keyring(Mutex<keyring::Keyring>);

impl Keyring {
    fn own(&self) -> MutexGuard<'_, keyring::Keyring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Keyring {
    #[new]
    #[pyo3(signature = (file=None))]
    fn new(py: Python<'_>, file: Option<&[u8]>) -> PyResult<Self> {
        py.detach(|| keys::keyring(file.unwrap_or(b"{}"))).map(|keyring| Self(Mutex::new(keyring))).or_raise(py)
    }

    fn to_file<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let json = py.detach(|| self.own().to_json());
        PyBytes::new(py, json.as_bytes())
    }

    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let entries = py.detach(|| keys::keyring_entries(&self.own()));
        to_python(py, &entries)
    }

    #[pyo3(signature = (sender, public_key, *, used_envelope2, unix_ms))]
    fn observe(
        &self,
        py: Python<'_>,
        sender: &Bound<'_, PyAny>,
        public_key: &Bound<'_, PyAny>,
        used_envelope2: bool,
        unix_ms: i64,
    ) -> PyResult<&'static str> {
        let (sender, key) = (text(sender)?, from_python(public_key)?);
        keys::observe(&mut self.own(), &sender, &key, used_envelope2, Now::utc(unix_ms)).or_raise(py)
    }

    fn trust(&self, fingerprint: &Bound<'_, PyAny>) -> PyResult<bool> {
        let fingerprint = keys::fingerprint(&text(fingerprint)?).or_raise(fingerprint.py())?;
        Ok(self.own().trust(&fingerprint))
    }

    fn forget(&self, fingerprint: &Bound<'_, PyAny>) -> PyResult<bool> {
        let fingerprint = keys::fingerprint(&text(fingerprint)?).or_raise(fingerprint.py())?;
        Ok(self.own().forget(&fingerprint))
    }
}

/// The ids of what was received.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct SeenIds(Mutex<dedupe::SeenIds>);

impl SeenIds {
    fn own(&self) -> MutexGuard<'_, dedupe::SeenIds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kind: &Bound<'_, PyAny>, id: &Bound<'_, PyAny>, of: &Bound<'_, PyAny>) -> PyResult<dedupe::MessageKey> {
    keys::message_key(&text(kind)?, &text(id)?, &text(of)?).or_raise(kind.py())
}

#[pymethods]
impl SeenIds {
    #[new]
    #[pyo3(signature = (file=None, capacity=dedupe::CAPACITY))]
    fn new(py: Python<'_>, file: Option<&[u8]>, capacity: usize) -> Self {
        Self(Mutex::new(py.detach(|| dedupe::SeenIds::parse(file.unwrap_or_default(), capacity))))
    }

    fn contains(&self, kind: &Bound<'_, PyAny>, id: &Bound<'_, PyAny>, of: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = key(kind, id, of)?;
        Ok(self.own().contains(&key))
    }

    fn insert(&self, kind: &Bound<'_, PyAny>, id: &Bound<'_, PyAny>, of: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = key(kind, id, of)?;
        Ok(self.own().insert(&key))
    }

    fn __len__(&self) -> usize {
        self.own().len()
    }

    fn to_file<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let text = py.detach(|| self.own().to_text());
        PyBytes::new(py, text.as_bytes())
    }

    /// What brings the file up to date: `None`, or whether to append and what.
    fn unsaved(&self) -> Option<(bool, String)> {
        match self.own().unsaved() {
            Save::Nothing => None,
            Save::Append(text) => Some((true, text)),
            Save::Rewrite(text) => Some((false, text)),
        }
    }

    fn mark_saved(&self) {
        self.own().mark_saved();
    }
}
