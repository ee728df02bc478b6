//! The mailboxes on disk: the effects on files, done by what the native host does them with.
//!
//! What is read for an operation never becomes a Python object.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use azall_bindings::data::from_data;
use azall_bindings::operation::{data_of_answer, effect_of_data};
use azall_bindings::Failure;
use azall_core::engine::effect::{Answer, Effect};
use azall_files::roots::Roots;
use azall_files::system::words;
use azall_files::{archive, host};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::data::from_python;
use crate::error::OrRaise as _;
use crate::to_python::to_python;

/// The most threads that share the effects of one moment.
const MOST_THREADS: usize = 8;

/// The folders of a config and of its mailboxes. Threads may share it.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Files(Roots);

impl Files {
    /// Does what these effects ask, in their order.
    pub(crate) fn answers(&self, effects: &[Arc<Effect>]) -> Vec<Answer> {
        let Self(roots) = self;
        let each = || effects.iter().map(|effect| host::answer(roots, effect)).collect();
        if let [alone] = effects
            && !matches!(**alone, Effect::ReadMany(_))
        {
            return each();
        }
        threads().map_or_else(|_| each(), |threads| threads.install(|| host::answer_all(roots, effects)))
    }
}

/// Threads for the work of one moment. They end with it: a process that Python forks has none of its parent's threads, and would wait
/// for them for ever.
fn threads() -> Result<ThreadPool, ThreadPoolBuildError> {
    let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    ThreadPoolBuilder::new().num_threads(count).build()
}

#[pymethods]
impl Files {
    #[new]
    fn new(py: Python<'_>, config: PathBuf, mailboxes: PathBuf) -> PyResult<Self> {
        Roots::of_mailboxes(config, mailboxes).map(Self).map_err(Failure::argument).or_raise(py)
    }

    fn answer<'py>(&self, py: Python<'py>, effect: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let effect = from_python(effect)?;
        let answer = py.detach(|| {
            let effect = Arc::new(effect_of_data(effect)?);
            self.answers(&[effect]).iter().map(data_of_answer).collect::<Result<Vec<_>, _>>()
        });
        to_python(py, &answer.or_raise(py)?.pop())
    }

    fn resolve(&self, place: &Bound<'_, PyAny>) -> PyResult<OsString> {
        let (py, place) = (place.py(), from_python(place)?);
        let path = from_data(&place).and_then(|place| self.0.resolve(&place).map_err(Failure::argument));
        path.map(PathBuf::into_os_string).or_raise(py)
    }
}

/// Writes an archive, for its owner's eyes alone.
#[pyfunction]
pub(crate) fn write_archive(py: Python<'_>, path: PathBuf, content: &[u8]) -> PyResult<()> {
    let failed = |error| Failure::new("file", format!("cannot write {}: {}", path.display(), words(&error)));
    py.detach(|| archive::write(&path, content)).map_err(failed).or_raise(py)
}
