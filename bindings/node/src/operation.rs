//! Running commands, and configs.

use azall_bindings::data::from_data;
use azall_bindings::{Failure, Operation, Step, Value, command_line};
use azall_core::protocol::time::Now;
use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use crate::command_line::ending_value;
use crate::convert;
use crate::failure::thrown;

/// A config that was opened.
#[napi]
pub struct Config {
    pub(crate) inner: azall_bindings::Config,
}

#[napi]
impl Config {
    /// The agent's address.
    #[napi(getter, catch_unwind)]
    pub fn agent(&self) -> String {
        self.inner.agent().to_owned()
    }

    /// The mailboxes folder as the config has it.
    #[napi(getter, catch_unwind)]
    pub fn mailbox_dir(&self) -> String {
        self.inner.mailbox_dir().to_owned()
    }

    /// Whether there is a config file.
    #[napi(getter, catch_unwind)]
    pub fn found(&self) -> bool {
        self.inner.is_found()
    }

    /// Tells where the mailboxes folder is, as people know it.
    #[napi(catch_unwind)]
    pub fn set_mailboxes_shown(&mut self, env: &Env, path: Unknown<'_>) -> napi::Result<()> {
        let path = convert::text(path, "path").map_err(|failure| thrown(env, failure))?;
        self.inner.set_mailboxes_shown(&path);
        Ok(())
    }
}

/// A running command, or the opening of a config.
#[napi]
pub struct Op {
    operation: Operation,
    /// What it ended with, for those who ask afterwards.
    last: Option<Step>,
}

#[napi]
impl Op {
    /// Runs a command, `{command, arguments}`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, command: Unknown<'_>, config: &Config) -> napi::Result<Self> {
        let start = || Operation::command(&convert::data(command)?, &config.inner);
        start().map(Self::of).map_err(|failure| thrown(env, failure))
    }

    /// Reads the config file of this name in the config's folder.
    #[napi(factory, catch_unwind)]
    pub fn open(
        env: &Env,
        file_name: Unknown<'_>,
        config_shown: Unknown<'_>,
        agent: Option<Unknown<'_>>,
    ) -> napi::Result<Self> {
        let start = || {
            let agent = convert::optional_text(agent, "agent")?;
            Operation::open(&convert::text(file_name, "fileName")?, &convert::text(config_shown, "configShown")?, agent)
        };
        start().map(Self::of).map_err(|failure| thrown(env, failure))
    }

    pub(crate) const fn of(operation: Operation) -> Self {
        Self { operation, last: None }
    }

    /// Goes on as far as it can at this moment, `{unix_ms, offset_seconds}`: a step. What it failed with is thrown.
    #[napi(catch_unwind)]
    pub fn poll<'env>(&mut self, env: &'env Env, now: Unknown<'_>) -> napi::Result<Unknown<'env>> {
        let step = self.step(now).map_err(|failure| thrown(env, failure))?;
        convert::value(env, &step)
    }

    fn step(&mut self, now: Unknown<'_>) -> Result<Value, Failure> {
        let now: Now = from_data(&convert::data(now)?)?;
        let step = self.operation.poll(now);
        let data = step.to_data();
        if matches!(step, Step::Opened(_) | Step::Done(_)) {
            self.last = Some(step);
        }
        data
    }

    /// Answers an effect: `{Ok: ...}` or `{Err: {kind, message}}`.
    #[napi(catch_unwind)]
    pub fn resume(&mut self, env: &Env, id: Unknown<'_>, answer: Unknown<'_>) -> napi::Result<()> {
        let mut resume = || {
            let id = convert::count(id, "id", u32::MAX)?;
            self.operation.resume(id, convert::data(answer)?)
        };
        resume().map_err(|failure| thrown(env, failure))
    }

    /// Asks it to stop.
    #[napi(catch_unwind)]
    pub fn cancel(&mut self) {
        self.operation.cancel();
    }

    /// The config, once, after the step that says that it is opened.
    #[napi(catch_unwind)]
    pub fn take_config(&mut self, env: &Env) -> napi::Result<Config> {
        match self.last.take() {
            Some(Step::Opened(config)) => Ok(Config { inner: *config }),
            other => {
                self.last = other;
                Err(thrown(env, Failure::argument("no config was opened, or it was taken already")))
            }
        }
    }

    /// What the finished command prints, and its exit code: `{text, to_stderr, code}`.
    #[napi(catch_unwind)]
    pub fn ending<'env>(&self, env: &'env Env, json: Unknown<'_>, color: Unknown<'_>) -> napi::Result<Unknown<'env>> {
        let ending = || {
            let (json, color) = (convert::flag(json, "json")?, convert::flag(color, "color")?);
            match &self.last {
                Some(Step::Done(outcome)) => Ok(command_line::ending(outcome, json, color)),
                _ => Err(Failure::argument("the command is not done")),
            }
        };
        ending_value(env, &ending().map_err(|failure| thrown(env, failure))?)
    }
}
