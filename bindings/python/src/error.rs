//! What is raised.

use azall_bindings::Failure;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyAny;

/// The function of `azall.errors` that makes an exception of the right class.
static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A failure as the exception of `azall.errors` that is raised for it.
pub(crate) fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let make = MAKE.get_or_try_init(py, || py.import("azall.errors")?.getattr("of_code").map(Bound::unbind));
    let made = make.and_then(|make| make.call1(py, (failure.code, failure.message.as_str(), failure.exit_code)));
    match made {
        Ok(exception) => PyErr::from_value(exception.into_bound(py)),
        Err(error) => error,
    }
}

/// Results of the common layer as Python's.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Failure> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|failure| raised(py, &failure))
    }
}
