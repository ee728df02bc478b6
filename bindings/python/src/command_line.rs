//! The command line.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use azall_bindings::command_line;
use azall_bindings::data::from_data;
use azall_bindings::{Failure, Value};
use azall_core::engine::event::Event;
use azall_core::protocol::text;
use pyo3::prelude::*;

use crate::data::from_python;
use crate::error::{OrRaise as _, raised};
use crate::operation::{Config, Op};
use crate::to_python::to_python;

/// What is to be printed, and the exit code.
#[pyclass(frozen, get_all, module = "azall._core")]
pub(crate) struct Ending {
    text: String,
    to_stderr: bool,
    code: u8,
}

impl From<command_line::Ending> for Ending {
    fn from(ending: command_line::Ending) -> Self {
        Self { text: ending.text, to_stderr: ending.to_stderr, code: ending.code }
    }
}

/// A command line that was understood.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct CommandLine {
    /// Until it is started.
    line: Mutex<Option<command_line::CommandLine>>,
    #[pyo3(get)]
    json: bool,
    #[pyo3(get)]
    verbose: bool,
    #[pyo3(get)]
    no_color: bool,
    #[pyo3(get)]
    is_for_native: bool,
}

impl CommandLine {
    fn with<T>(&self, py: Python<'_>, work: impl FnOnce(&command_line::CommandLine) -> T) -> PyResult<T> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.as_ref().map(work).ok_or_else(|| raised(py, &started()))
    }
}

fn started() -> Failure {
    Failure::new("usage", "the command line was started already")
}

/// Either what goes on, or the [`Ending`].
fn or_ending<T: pyo3::PyClass + Into<pyo3::PyClassInitializer<T>>>(
    py: Python<'_>,
    result: Result<T, command_line::Ending>,
) -> PyResult<Py<PyAny>> {
    match result {
        Ok(it) => Ok(Py::new(py, it)?.into_any()),
        Err(ending) => Ok(Py::new(py, Ending::from(ending))?.into_any()),
    }
}

#[pymethods]
impl CommandLine {
    #[staticmethod]
    fn parse(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<Py<PyAny>> {
        let understood = command_line::CommandLine::parse(arguments).map(|line| Self {
            json: line.json(),
            verbose: line.verbose(),
            no_color: line.no_color(),
            is_for_native: line.is_for_native(),
            line: Mutex::new(Some(line)),
        });
        or_ending(py, understood)
    }

    #[pyo3(signature = (config_variable=None, root_variable=None))]
    fn config_path(
        &self,
        py: Python<'_>,
        config_variable: Option<String>,
        root_variable: Option<String>,
    ) -> PyResult<String> {
        self.with(py, |line| line.config_path(config_variable, root_variable))
    }

    fn sources<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sources = self.with(py, command_line::CommandLine::sources)?;
        to_python(py, &sources)
    }

    fn start(&self, py: Python<'_>, inputs: Vec<Option<(String, Vec<u8>)>>, config: &Config) -> PyResult<Py<PyAny>> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).take();
        let line = line.ok_or_else(|| raised(py, &started()))?;
        or_ending(py, py.detach(|| line.start(inputs, &config.0)).map(Op::new))
    }
}

/// What a finished command prints.
#[pyfunction]
pub(crate) fn ending(py: Python<'_>, op: &Op, json: bool, color: bool) -> PyResult<Ending> {
    let unfinished = || raised(py, &Failure::new("engine", "the command is not done"));
    let outcome = py.detach(|| op.outcome()).ok_or_else(unfinished)?;
    Ok(py.detach(|| command_line::ending(&outcome, json, color)).into())
}

/// What a failed command prints: the words of an exception of this package.
#[pyfunction]
pub(crate) fn failure_ending(message: &str, exit_code: u8, json: bool, color: bool) -> Ending {
    let failure = Failure { exit_code, ..Failure::new("host", message) };
    command_line::failed(&failure, json, color).into()
}

/// What is printed when the host could not do its part. The words may quote a path: they stay one line.
#[pyfunction]
pub(crate) fn host_ending(why: &str, json: bool, color: bool) -> Ending {
    let failure = Failure { message: text::for_terminal_line(why).into_owned(), ..Failure::new("host", "") };
    command_line::failed(&failure, json, color).into()
}

/// What an event prints, if anything, and whether on standard error.
#[pyfunction]
pub(crate) fn event_line(
    event: &Bound<'_, PyAny>,
    json: bool,
    verbose: bool,
    color: bool,
) -> PyResult<Option<(String, bool)>> {
    let Value::Map(fields) = from_python(event)? else { return Ok(None) };
    let own = fields.into_iter().filter(|(name, _)| name.as_text() != Some("step")).collect();
    let event: Event = from_data(&Value::Map(own)).or_raise(event.py())?;
    Ok(command_line::event_line(&event, json, verbose, color))
}
