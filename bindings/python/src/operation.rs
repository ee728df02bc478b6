//! Running commands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azall_bindings::operation::data_of_effect;
use azall_bindings::{Failure, Operation, Step};
use azall_core::command::Outcome;
use azall_core::protocol::time::Now;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::data::{from_python, text};
use crate::error::OrRaise as _;
#[cfg(unix)]
use crate::files::{Files, Work};
use crate::to_python::{Table, to_python, with_tables};

/// A config that was opened.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Config(pub(crate) azall_bindings::Config);

#[pymethods]
impl Config {
    #[getter]
    fn agent(&self) -> &str {
        self.0.agent()
    }

    #[getter]
    fn mailbox_dir(&self) -> &str {
        self.0.mailbox_dir()
    }

    #[getter]
    fn is_found(&self) -> bool {
        self.0.is_found()
    }

    fn with_mailboxes_shown(&self, path: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut config = self.0.clone();
        config.set_mailboxes_shown(&text(path)?);
        Ok(Self(config))
    }
}

/// A running command. Threads may share it: each call waits for the one before it.
#[pyclass(frozen, module = "azall._core")]
pub(crate) struct Op {
    running: Mutex<Running>,
    /// Lists of the outcome that are wanted as tables.
    tables: Vec<Table>,
    /// Whether more is wanted of the outcome than its data.
    keeps_outcome: bool,
    #[cfg(unix)]
    work: Work,
}

struct Running {
    operation: Operation,
    config: Option<azall_bindings::Config>,
    outcome: Option<Arc<Outcome>>,
}

impl Op {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            tables: Vec::new(),
            keeps_outcome: true,
            running: Mutex::new(Running { operation, config: None, outcome: None }),
            #[cfg(unix)]
            work: Work::new(),
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the command gave, once it is done.
    pub(crate) fn outcome(&self) -> Option<Arc<Outcome>> {
        self.running().outcome.clone()
    }

    fn step(&self, now: Now) -> Step {
        let operation = &mut self.running().operation;
        let step = operation.poll(now);
        #[cfg(unix)]
        match step {
            Step::Effect(..) | Step::Event(_) => {}
            Step::Wait(_) => self.work.end_idle(operation),
            Step::Opened(_) | Step::Done(_) | Step::Failed(_) => self.work.end(),
        }
        step
    }

    /// The effects are done unlocked: the operation may be cancelled meanwhile.
    #[cfg(unix)]
    fn go_on(&self, files: &Files, ids: &[u32]) -> Result<bool, Failure> {
        let asked = {
            let running = self.running();
            ids.iter().map(|id| Ok((*id, running.operation.effect(*id)?))).collect::<Result<_, Failure>>()?
        };
        let answered = self.work.go_on(files, asked)?;
        let is_any = !answered.is_empty();
        let operation = &mut self.running().operation;
        answered.into_iter().try_for_each(|(id, answer)| operation.answer(id, answer))?;
        Ok(is_any)
    }

    /// Keeps what a last step has, for those who want more of it than its data.
    fn keep(&self, step: Step) {
        match step {
            Step::Opened(config) => self.running().config = Some(*config),
            Step::Done(outcome) if self.keeps_outcome => self.running().outcome = Some(Arc::new(*outcome)),
            _ => {}
        }
    }
}

#[pymethods]
impl Op {
    #[staticmethod]
    #[pyo3(signature = (file_name, config_shown, agent=None))]
    fn open(
        py: Python<'_>,
        file_name: &Bound<'_, PyAny>,
        config_shown: &Bound<'_, PyAny>,
        agent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let agent = agent.map(text).transpose()?;
        Operation::open(&text(file_name)?, &text(config_shown)?, agent).map(Self::new).or_raise(py)
    }

    #[staticmethod]
    #[pyo3(signature = (command, config, tables=Vec::new()))]
    fn command(py: Python<'_>, command: &Bound<'_, PyAny>, config: &Config, tables: Vec<Table>) -> PyResult<Self> {
        let command = from_python(command)?;
        let operation = py.detach(|| Operation::command(&command, &config.0)).or_raise(py)?;
        Ok(Self { tables, keeps_outcome: false, ..Self::new(operation) })
    }

    #[pyo3(signature = (unix_ms, offset_seconds=0))]
    fn poll<'py>(&self, py: Python<'py>, unix_ms: i64, offset_seconds: i32) -> PyResult<Bound<'py, PyAny>> {
        let now = Now { unix_ms, offset_seconds };
        let step = py.detach(|| self.step(now));
        if let Step::Effect(id, effect) = &step {
            // A host that has it done here need not know more of it.
            let asked = PyDict::new(py);
            asked.set_item(intern!(py, "step"), intern!(py, "effect"))?;
            asked.set_item(intern!(py, "id"), id)?;
            asked.set_item(intern!(py, "kind"), effect.name())?;
            return Ok(asked.into_any());
        }
        let data = with_tables(py, &step.shown().or_raise(py)?, &self.tables)?;
        py.detach(|| self.keep(step));
        Ok(data)
    }

    /// An effect that waits.
    fn effect<'py>(&self, py: Python<'py>, id: u32) -> PyResult<Bound<'py, PyAny>> {
        let effect = py.detach(|| data_of_effect(&*self.running().operation.effect(id)?)).or_raise(py)?;
        to_python(py, &effect)
    }

    fn resume(&self, py: Python<'_>, id: u32, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        let answer = from_python(answer)?;
        py.detach(|| self.running().operation.resume(id, answer)).or_raise(py)
    }

    /// Has effects on files done, those that were asked for together at once, and resumes with the answers that there are, of which
    /// there is at least one while anything is under way.
    #[cfg(unix)]
    fn fulfil(&self, py: Python<'_>, files: &Files, ids: Vec<u32>) -> PyResult<bool> {
        py.detach(|| self.go_on(files, &ids)).or_raise(py)
    }

    fn cancel(&self, py: Python<'_>) {
        py.detach(|| self.running().operation.cancel());
    }

    fn take_config(&self, py: Python<'_>) -> PyResult<Config> {
        let config = py.detach(|| self.running().config.take());
        let missing = || Failure::new("engine", "no config was opened, or it was taken already");
        config.map(Config).ok_or_else(missing).or_raise(py)
    }
}
