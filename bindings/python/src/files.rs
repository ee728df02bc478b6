//! The mailboxes on disk: the effects on files, and their scripts, done by what the native host does them with.
//!
//! What is read for an operation never becomes a Python object.

use std::ffi::OsString;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azall_bindings::data::from_data;
use azall_bindings::operation::{data_of_answer, effect_of_data};
use azall_bindings::{Failure, Operation, Value};
use azall_core::engine::effect::{Answer, Effect};
use azall_files::roots::Roots;
use azall_files::script::{SANDBOX, Script};
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
pub(crate) struct Files(Arc<Roots>);

/// Effects by the numbers that the host knows them by.
pub(crate) type Asked = Vec<(u32, Arc<Effect>)>;

/// What they are answered.
pub(crate) type Answered = Vec<(u32, Answer)>;

/// What an operation has done on files.
///
/// A single effect is done on the thread that asks, but for the reading of many files, which is shared out to threads. They are
/// started when there is work for them and ended when there is no more. None outlive an operation: a process that Python forks has
/// none of its parent's threads, and would wait for them for ever.
pub(crate) struct Work(Mutex<State>);

struct State {
    pool: Option<ThreadPool>,
    under_way: usize,
    /// Where the threads put what is done: nothing, if they failed.
    done: (Sender<Option<Answered>>, Receiver<Option<Answered>>),
}

impl Work {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { pool: None, under_way: 0, done: channel() }))
    }

    /// Starts these effects, waits until something is done, and gives the answers; none when nothing is under way.
    ///
    /// # Errors
    /// When the system gives no threads for it.
    pub(crate) fn go_on(&self, files: &Files, asked: Asked) -> Result<Answered, Failure> {
        let state = &mut *self.state();
        // What is asked for together is done together, so that writes share their syncs; while many files are read, the operation
        // can look at what it has already.
        let (reads, others): (Asked, Asked) =
            asked.into_iter().partition(|(_, effect)| matches!(**effect, Effect::ReadMany(_)));
        let is_alone = state.under_way == 0 && others.len() + reads.len() == 1;
        if is_alone && reads.is_empty() {
            return Ok(answers(&files.0, others));
        }
        for job in reads.into_iter().map(|read| vec![read]).chain([others]).filter(|job| !job.is_empty()) {
            state.start(Arc::clone(&files.0), job)?;
        }
        state.wait()
    }

    /// Ends the threads, unless an operation that waits has work for them.
    pub(crate) fn end_idle(&self, operation: &Operation) {
        if !operation.waiting().any(|effect| host::KINDS.contains(&effect.kind())) {
            self.end();
        }
    }

    /// Ends the threads, once what is under way is done.
    pub(crate) fn end(&self) {
        let state = &mut *self.state();
        while state.under_way > 0 {
            // Nobody waits for it.
            drop(state.wait());
        }
        state.pool = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn start(&mut self, roots: Arc<Roots>, asked: Asked) -> Result<(), Failure> {
        let sender = self.done.0.clone();
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(|| answers(&roots, asked)));
            // Fails only when nobody waits any more.
            let _ = sender.send(done.ok());
        };
        self.started()?.spawn(job);
        self.under_way += 1;
        Ok(())
    }

    fn started(&mut self) -> Result<&ThreadPool, Failure> {
        let pool = match self.pool.take() {
            Some(pool) => pool,
            None => {
                let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
                let built = ThreadPoolBuilder::new().num_threads(count).build();
                built.map_err(|error| Failure::new("host", error))?
            }
        };
        Ok(self.pool.insert(pool))
    }

    fn wait(&mut self) -> Result<Answered, Failure> {
        let mut answered = Answered::new();
        while self.under_way > 0 {
            let done = if answered.is_empty() { self.done.1.recv().ok() } else { self.done.1.try_recv().ok() };
            let Some(done) = done else { break };
            self.under_way -= 1;
            answered.extend(done.ok_or_else(|| Failure::new("host", "the work on files failed"))?);
        }
        Ok(answered)
    }
}

fn answers(roots: &Roots, asked: Asked) -> Answered {
    let (ids, effects): (Vec<u32>, Vec<Arc<Effect>>) = asked.into_iter().unzip();
    ids.into_iter().zip(host::answer_all(roots, &effects)).collect()
}

#[pymethods]
impl Files {
    #[new]
    fn new(py: Python<'_>, config: PathBuf, mailboxes: PathBuf) -> PyResult<Self> {
        Roots::of_mailboxes(config, mailboxes)
            .map(|roots| Self(Arc::new(roots)))
            .map_err(Failure::argument)
            .or_raise(py)
    }

    /// Does what one effect asks. A script is started under the interpreter's lock, since it is given the environment as it is now.
    #[pyo3(signature = (effect, stopping=None))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        effect: &Bound<'py, PyAny>,
        stopping: Option<Py<Flag>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let effect = effect_of_data(from_python(effect)?).or_raise(py)?;
        let answer = if let Effect::RunScript(effect) = &effect {
            let script = Script::start(&self.0, effect, Path::new(SANDBOX));
            let is_stopping = || stopping.as_ref().is_some_and(|flag| flag.get().is_set());
            py.detach(|| data_of_answer(&Answer::RunScript(script.and_then(|script| script.finish(is_stopping)))))
        } else {
            py.detach(|| {
                let answered = Work::new().go_on(self, vec![(0, Arc::new(effect))])?;
                answered.first().map_or(Ok(Value::Null), |(_, answer)| data_of_answer(answer))
            })
        };
        to_python(py, &answer.or_raise(py)?)
    }

    fn resolve(&self, place: &Bound<'_, PyAny>) -> PyResult<OsString> {
        let (py, place) = (place.py(), from_python(place)?);
        let path = from_data(&place).and_then(|place| self.0.resolve(&place).map_err(Failure::argument));
        path.map(PathBuf::into_os_string).or_raise(py)
    }
}

/// A wish that somebody has raised.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Flag(AtomicBool);

#[pymethods]
impl Flag {
    #[new]
    const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Writes an archive, for its owner's eyes alone.
#[pyfunction]
pub(crate) fn write_archive(py: Python<'_>, path: PathBuf, content: &[u8]) -> PyResult<()> {
    let failed = |error| Failure::new("file", format!("cannot write {}: {}", path.display(), words(&error)));
    py.detach(|| archive::write(&path, content)).map_err(failed).or_raise(py)
}
