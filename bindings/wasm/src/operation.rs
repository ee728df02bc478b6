//! A running command, and a config that was opened.

use std::cell::RefCell;

use azall_bindings::{self as shared, Failure, Operation, Step};
use azall_core::command::Outcome;
use azall_core::engine::effect::EffectKind;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{count, data, instance, now, optional_text, text};
use crate::data::to_js;
use crate::failure::{Thrown, thrown};

/// A config that was opened.
#[wasm_bindgen]
pub struct Config(RefCell<shared::Config>);

#[wasm_bindgen]
impl Config {
    /// The agent's address.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn agent(&self) -> String {
        self.0.borrow().agent().to_owned()
    }

    /// The mailboxes folder as the config has it.
    #[wasm_bindgen(getter, js_name = mailboxDir)]
    #[must_use]
    pub fn mailbox_dir(&self) -> String {
        self.0.borrow().mailbox_dir().to_owned()
    }

    /// Whether there is a config file.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn found(&self) -> bool {
        self.0.borrow().is_found()
    }

    /// Tells where the mailboxes folder is, as people know it.
    ///
    /// # Errors
    /// `argument` for what is no text.
    #[wasm_bindgen(js_name = setMailboxesShown)]
    pub fn set_mailboxes_shown(&self, path: &JsValue) -> Thrown<()> {
        thrown(text("path", path).map(|path| self.0.borrow_mut().set_mailboxes_shown(&path)))
    }

    /// Another one of the same config.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "it is JavaScript's")]
    pub fn clone(&self) -> Self {
        Self(RefCell::new(self.0.borrow().clone()))
    }
}

impl Config {
    /// Does something with the config.
    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&shared::Config) -> T) -> T {
        use_it(&self.0.borrow())
    }
}

/// A command, or the opening of a config. Arguments are read before it is borrowed: reading may run code of theirs.
#[wasm_bindgen]
pub struct Op(RefCell<Inner>);

struct Inner {
    operation: Operation,
    config: Option<shared::Config>,
    outcome: Option<Outcome>,
}

impl From<Operation> for Op {
    fn from(operation: Operation) -> Self {
        Self(RefCell::new(Inner { operation, config: None, outcome: None }))
    }
}

impl Inner {
    /// Goes on; keeps what is no data.
    fn poll(&mut self, now: azall_core::protocol::time::Now) -> Result<shared::Value, Failure> {
        let step = self.operation.poll(now);
        let data = step.to_data();
        match step {
            Step::Opened(config) => self.config = Some(*config),
            Step::Done(outcome) => self.outcome = Some(*outcome),
            _ => {}
        }
        data
    }
}

#[wasm_bindgen]
impl Op {
    /// Runs a command, `{command, arguments}`.
    ///
    /// # Errors
    /// `argument` when there is no such command or its arguments are not what they must be.
    #[wasm_bindgen(constructor)]
    pub fn new(command: &JsValue, config: &JsValue) -> Thrown<Self> {
        let started = || {
            let command = data("command", command)?;
            let config: Config = instance("config", config)?;
            config.with(|config| Operation::command(&command, config)).map(Self::from)
        };
        thrown(started())
    }

    /// Reads the config file of this name in the config's folder. `agent` takes the place of the config's own.
    ///
    /// # Errors
    /// `argument` when it is no file name.
    pub fn open(file_name: &JsValue, config_shown: &JsValue, agent: &JsValue) -> Thrown<Self> {
        let opening = || {
            let (file_name, shown) = (text("fileName", file_name)?, text("configShown", config_shown)?);
            Operation::open(&file_name, &shown, optional_text("agent", agent)?).map(Self::from)
        };
        thrown(opening())
    }

    /// Goes on as far as it can at this moment.
    ///
    /// # Errors
    /// What the operation failed with.
    pub fn poll(&self, moment: &JsValue) -> Thrown<JsValue> {
        let step = now(moment).and_then(|now| self.0.borrow_mut().poll(now));
        thrown(step.and_then(|step| to_js(&step)))
    }

    /// Answers an effect: `{Ok: ...}` or `{Err: {kind, message}}`.
    ///
    /// # Errors
    /// `resume` when no effect of this number waits, or the answer is not one to it.
    pub fn resume(&self, id: &JsValue, answer: &JsValue) -> Thrown<()> {
        let resumed = || {
            let (id, answer) = (count("id", id, u32::MAX)?, data("answer", answer)?);
            self.0.borrow_mut().operation.resume(id, answer)
        };
        thrown(resumed())
    }

    /// Asks the operation to stop.
    pub fn cancel(&self) {
        self.0.borrow_mut().operation.cancel();
    }

    /// The config, once after the step `opened`.
    ///
    /// # Errors
    /// `argument` when there is none.
    #[wasm_bindgen(js_name = takeConfig)]
    pub fn take_config(&self) -> Thrown<Config> {
        let taken = self.0.borrow_mut().config.take().map(|config| Config(RefCell::new(config)));
        thrown(taken.ok_or_else(|| Failure::argument("no config was opened, or it was taken")))
    }
}

#[cfg(feature = "cli")]
#[wasm_bindgen]
impl Op {
    /// What the command prints and its exit code, after the step `done`.
    ///
    /// # Errors
    /// `argument` when it is not done.
    pub fn ending(&self, json: &JsValue, color: &JsValue) -> Thrown<JsValue> {
        let ending = || {
            let (json, color) = (crate::arguments::flag("json", json)?, crate::arguments::flag("color", color)?);
            let inner = self.0.borrow();
            let outcome = inner.outcome.as_ref().ok_or_else(|| Failure::argument("the command is not done"))?;
            Ok(shared::command_line::ending(outcome, json, color))
        };
        thrown(ending().and_then(|ending| crate::command_line::ending_data(&ending)))
    }
}

/// The kinds of effects that an operation may ask for: a host answers each of them.
#[wasm_bindgen(js_name = effectKinds)]
#[must_use]
pub fn effect_kinds() -> Vec<String> {
    EffectKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}
