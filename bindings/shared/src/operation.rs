//! A running command, with data instead of types.

use std::collections::BTreeMap;
use std::sync::Arc;

use azall_core::command::session::{self, Opened};
use azall_core::command::{self, Command, Outcome, ReadArguments};
use azall_core::engine::effect::{Answer, Effect};
use azall_core::engine::event::{Event, Level};
use azall_core::engine::op::{EffectId, Op, Output};
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::time::Now;
use ciborium::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::data::{field, from_data, map, said, to_data};
use crate::failure::Failure;

/// A command, or the opening of a config.
pub struct Operation {
    running: Running,
    /// The effects that were handed out and not answered, by the number that the host knows them by.
    waiting: BTreeMap<u32, (EffectId, Arc<Effect>)>,
    next_id: u32,
}

enum Running {
    Opening { op: Op<Opened, command::Error>, config_file: RelPath, config_shown: String },
    Command(Op<Outcome, command::Error>),
}

/// A command's arguments, as data.
struct Arguments<'a>(&'a Value);

impl ReadArguments for Arguments<'_> {
    type Error = Failure;

    fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        from_data(self.0)
    }
}

/// What an operation wants next.
#[derive(Debug)]
pub enum Step {
    /// Start this effect; resume with its answer under this number.
    Effect(u32, Arc<Effect>),
    /// `{level, text}`: show it or drop it.
    Event(Event),
    /// Nothing to do until an answer, or until this moment (unix milliseconds) if there is one.
    Wait(Option<i64>),
    /// The config is open.
    Opened(Box<Config>),
    /// The command is done.
    Done(Box<Outcome>),
    /// It failed.
    Failed(Failure),
}

impl Operation {
    /// Reads the config file of this name in the config's folder, which must come before any command. `agent` takes the place of the
    /// config's own (`$AGENTAZALL_AGENT`).
    ///
    /// # Errors
    /// `argument` when it is no file name.
    pub fn open(file_name: &str, config_shown: &str, agent: Option<String>) -> Result<Self, Failure> {
        let config_file = crate::config::file_name(file_name)?;
        let op = session::open(config_file.clone(), agent);
        Ok(Self::new(Running::Opening { op, config_file, config_shown: config_shown.to_owned() }))
    }

    /// Runs a command, `{"command": NAME, "arguments": {...}}`.
    ///
    /// # Errors
    /// `argument` when there is no such command or its arguments are not what they must be.
    pub fn command(command: &Value, config: &Config) -> Result<Self, Failure> {
        let missing =
            || Failure::argument("a command is a map with `command`, its name, and `arguments`, and nothing else");
        let name = field(command, "command").and_then(Value::as_text).ok_or_else(missing)?;
        let is_known = |(key, _): &(Value, Value)| matches!(key.as_text(), Some("command" | "arguments"));
        if !command.as_map().is_some_and(|fields| fields.iter().all(is_known)) {
            return Err(missing());
        }
        let none = Value::Map(Vec::new());
        let arguments = Arguments(field(command, "arguments").unwrap_or(&none));
        let unknown = || Failure::argument(format!("there is no command {name:?}"));
        Ok(Self::run(Command::read(name, arguments).ok_or_else(unknown)??, config))
    }

    /// Runs a command.
    #[must_use]
    pub fn run(command: Command, config: &Config) -> Self {
        Self::new(Running::Command(command::start(command, config.context())))
    }

    const fn new(running: Running) -> Self {
        Self { running, waiting: BTreeMap::new(), next_id: 1 }
    }

    /// Goes on as far as it can at this moment. See [`Op::poll`].
    pub fn poll(&mut self, now: Now) -> Step {
        match &mut self.running {
            Running::Opening { op, config_file, config_shown } => match op.poll(now) {
                Output::Done(Ok(opened)) => {
                    let config = Config::new(opened, config_file.clone(), config_shown.clone());
                    Step::Opened(Box::new(config))
                }
                Output::Done(Err(error)) => Step::Failed(session::open_error(error, config_shown).into()),
                Output::Effect(id, effect) => self.hand_out(id, effect),
                Output::Event(event) => Step::Event(event),
                Output::Wait(until) => Step::Wait(until),
            },
            Running::Command(op) => match op.poll(now) {
                Output::Done(Ok(outcome)) => Step::Done(Box::new(outcome)),
                Output::Done(Err(error)) => Step::Failed(error.into()),
                Output::Effect(id, effect) => self.hand_out(id, effect),
                Output::Event(event) => Step::Event(event),
                Output::Wait(until) => Step::Wait(until),
            },
        }
    }

    fn hand_out(&mut self, id: EffectId, effect: Effect) -> Step {
        let number = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let effect = Arc::new(effect);
        self.waiting.insert(number, (id, Arc::clone(&effect)));
        Step::Effect(number, effect)
    }

    /// Answers an effect: `{"Ok": ...}` or `{"Err": {"kind": ..., "message": ...}}`.
    ///
    /// # Errors
    /// `resume` when no effect of this number waits, or the answer is not one to it. The effect then still waits.
    pub fn resume(&mut self, number: u32, answer: Value) -> Result<(), Failure> {
        let name = self.effect(number)?.name();
        let answer = map([(name, answer)])
            .deserialized()
            .map_err(|error| Failure::new("resume", format!("the answer to {name} {number}: {}", said(&error))))?;
        self.answer(number, answer)
    }

    /// The effect that waits under this number, for a binding that does it itself.
    ///
    /// # Errors
    /// `resume` when no effect of this number waits.
    pub fn effect(&self, number: u32) -> Result<Arc<Effect>, Failure> {
        let no_such = || Failure::new("resume", format!("no effect {number} waits for an answer"));
        self.waiting.get(&number).map(|(_, effect)| Arc::clone(effect)).ok_or_else(no_such)
    }

    /// The effects that were handed out and not answered.
    pub fn waiting(&self) -> impl Iterator<Item = &Effect> {
        self.waiting.values().map(|(_, effect)| &**effect)
    }

    /// Answers an effect, as [`resume`](Self::resume) does, but with the answer itself.
    ///
    /// # Errors
    /// `resume` when no effect of this number waits, or the answer is not one to it. The effect then still waits.
    pub fn answer(&mut self, number: u32, answer: Answer) -> Result<(), Failure> {
        let effect = self.effect(number)?;
        if !effect.accepts(&answer) {
            return Err(Failure::new("resume", format!("{} does not answer {}", answer.name(), effect.name())));
        }
        let Some((id, _)) = self.waiting.remove(&number) else { return Ok(()) };
        let resumed = match &mut self.running {
            Running::Opening { op, .. } => op.resume(id, answer),
            Running::Command(op) => op.resume(id, answer),
        };
        resumed.map_err(|error| Failure::new("resume", error))
    }

    /// Asks the operation to stop. See [`Op::cancel`].
    pub fn cancel(&mut self) {
        match &mut self.running {
            Running::Opening { op, .. } => op.cancel(),
            Running::Command(op) => op.cancel(),
        }
    }
}

impl Step {
    /// `{"step": ...}` with what belongs to it: an effect's `id` and `effect`, an event's `level` and `text`, `until`, an outcome,
    /// the `exit_code` that the command line would give, and the file (`path`, `bytes`) that the host is to write for the command,
    /// if any. An opened config is not data, nor is a failure: a binding gives the one and throws the other.
    ///
    /// # Errors
    /// What an operation failed with.
    pub fn to_data(&self) -> Result<Value, Failure> {
        to_data(&self.shown()?)
    }

    /// The same, as what a binding can make its language's own data of without a [`Value`] between.
    ///
    /// # Errors
    /// What an operation failed with.
    pub fn shown(&self) -> Result<impl Serialize + '_, Failure> {
        Ok(match self {
            Self::Effect(id, effect) => Shown::Effect { id: *id, effect: data_of_effect(effect)? },
            Self::Event(event) => Shown::Event { level: event.level, text: &event.text },
            Self::Wait(until) => Shown::Wait { until: *until },
            Self::Opened(config) => {
                Shown::Opened { agent: config.agent(), mailbox_dir: config.mailbox_dir(), found: config.is_found() }
            }
            Self::Done(outcome) => Shown::Done {
                outcome,
                exit_code: outcome.exit_code(),
                file: outcome.artifact().map(|(path, bytes)| Artifact { path, bytes }),
            },
            Self::Failed(failure) => return Err(failure.clone()),
        })
    }
}

/// A step as it is told in data.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
enum Shown<'a> {
    Effect { id: u32, effect: Value },
    Event { level: Level, text: &'a str },
    Wait { until: Option<i64> },
    Opened { agent: &'a str, mailbox_dir: &'a str, found: bool },
    Done { outcome: &'a Outcome, exit_code: u8, file: Option<Artifact<'a>> },
}

#[derive(Serialize)]
struct Artifact<'a> {
    path: &'a str,
    #[serde(serialize_with = "azall_core::engine::transcript::bytes::serialize")]
    bytes: &'a [u8],
}

/// An effect as a map: its `kind`, and its fields.
///
/// # Errors
/// When it has no form as data, which no effect lacks.
pub fn data_of_effect(effect: &Effect) -> Result<Value, Failure> {
    let mut fields = vec![("kind".into(), effect.name().into())];
    if let Value::Map(tagged) = to_data(effect)? {
        let inner = tagged.into_iter().next().map(|(_, inner)| inner);
        fields.extend(inner.and_then(|inner| inner.into_map().ok()).unwrap_or_default());
    }
    Ok(Value::Map(fields))
}

/// The effect that is told in data of this form.
///
/// # Errors
/// `argument` when it is none: an unknown kind, a field that is missing, a path that leads out of its root.
pub fn effect_of_data(effect: Value) -> Result<Effect, Failure> {
    let mut fields = effect.into_map().map_err(|_| Failure::argument("an effect is a map"))?;
    let kind = fields.iter().position(|(name, _)| name.as_text() == Some("kind"));
    let kind = kind.map(|kind| fields.swap_remove(kind).1).unwrap_or(Value::Null);
    from_data(&Value::Map(vec![(kind, Value::Map(fields))]))
}

/// An answer as data, without the name of its effect.
///
/// # Errors
/// When it has no form as data, which no answer lacks.
pub fn data_of_answer(answer: &Answer) -> Result<Value, Failure> {
    let told = to_data(answer)?.into_map().unwrap_or_default().into_iter().next();
    Ok(told.map_or(Value::Null, |(_, result)| result))
}
