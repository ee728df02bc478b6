//! The mailboxes on disk: the effects on files, done by what the native host does them with.
//!
//! What is read for an operation never becomes a Python object.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azall_bindings::data::from_data;
use azall_bindings::operation::{data_of_answer, effect_of_data};
use azall_bindings::{Failure, Operation};
use azall_core::engine::effect::{Answer, Effect};
use azall_files::roots::Roots;
use azall_files::system::words;
use azall_files::{archive, host};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::data::from_python;
use crate::error::OrRaise as _;
use crate::to_python::to_python;

/// The most threads of an operation.
const MOST_THREADS: usize = 8;

/// The folders of a config and of its mailboxes. Threads may share it.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Files(Roots);

impl Files {
    /// Does what these effects ask, in their order.
    ///
    /// # Errors
    /// When the system gives no threads for it.
    pub(crate) fn answers(&self, effects: &[Arc<Effect>], threads: &Threads) -> Result<Vec<Answer>, Failure> {
        let Self(roots) = self;
        match effects {
            [alone] if !matches!(**alone, Effect::ReadMany(_)) => Ok(vec![host::answer(roots, alone)]),
            several => Ok(threads.started()?.install(|| host::answer_all(roots, several))),
        }
    }
}

/// The threads that work on files is shared out to, started when there is some and ended when there is no more. None outlive an
/// operation: a process that Python forks has none of its parent's threads, and would wait for them for ever.
pub(crate) struct Threads(Mutex<Option<Arc<ThreadPool>>>);

impl Threads {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn pool(&self) -> MutexGuard<'_, Option<Arc<ThreadPool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self) -> Result<Arc<ThreadPool>, Failure> {
        let mut pool = self.pool();
        if let Some(started) = &*pool {
            return Ok(Arc::clone(started));
        }
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let built = ThreadPoolBuilder::new().num_threads(count).build();
        let started = Arc::new(built.map_err(|error| Failure::new("host", error))?);
        *pool = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Ends them, unless an operation that waits has work for them.
    pub(crate) fn end_idle(&self, operation: &Operation) {
        if !operation.waiting().any(|effect| host::KINDS.contains(&effect.kind())) {
            self.pool().take();
        }
    }
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
            self.answers(&[effect], &Threads::new())?.iter().map(data_of_answer).collect::<Result<Vec<_>, _>>()
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
