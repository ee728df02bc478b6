//! The command line: a program in JavaScript prints what the native one prints.

use std::cell::RefCell;
use std::ffi::OsString;

use azall_bindings::command_line::{event_line as line_of, failed};
use azall_bindings::data::from_data;
use azall_bindings::{self as shared, Ending, Failure, Value};
use azall_core::engine::event::Event;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{count, data, flag, instance, made, optional_text, text, texts};
use crate::data::{object, to_js};
use crate::failure::{Thrown, thrown};
use crate::operation::{Config, Op};

/// What is to be printed, and the exit code, as `{text, to_stderr, code}`.
pub(crate) fn ending_data(ending: &Ending) -> Result<JsValue, Failure> {
    object([
        ("text", ending.text.as_str().into()),
        ("to_stderr", ending.to_stderr.into()),
        ("code", ending.code.into()),
    ])
}

/// A command line that was understood.
#[wasm_bindgen]
pub struct CommandLine {
    /// Until it is started.
    line: RefCell<Option<shared::CommandLine>>,
    json: bool,
    verbose: bool,
    no_color: bool,
    is_for_native: bool,
}

impl CommandLine {
    fn of(line: shared::CommandLine) -> Self {
        let (json, verbose, no_color) = (line.json(), line.verbose(), line.no_color());
        let is_for_native = line.is_for_native();
        Self { line: RefCell::new(Some(line)), json, verbose, no_color, is_for_native }
    }

    fn with<T>(&self, use_it: impl FnOnce(&shared::CommandLine) -> T) -> Result<T, Failure> {
        self.line.borrow().as_ref().map(use_it).ok_or_else(started_already)
    }
}

fn started_already() -> Failure {
    Failure::argument("this command line was started already")
}

#[wasm_bindgen]
impl CommandLine {
    /// Understands the arguments, without the program's name: `{line}`, or `{ending}` where something is to be printed instead.
    ///
    /// # Errors
    /// `argument` for what is no list of text.
    pub fn parse(arguments: &JsValue) -> Thrown<JsValue> {
        let parsed = || {
            let words = texts("argv", arguments)?;
            match shared::CommandLine::parse(words.into_iter().map(OsString::from)) {
                Ok(line) => object([("line", Self::of(line).into())]),
                Err(ending) => object([("ending", ending_data(&ending)?)]),
            }
        };
        thrown(parsed())
    }

    /// Where the config file is: as `--config` or these variables of the environment say.
    ///
    /// # Errors
    /// `argument` for what is no text.
    #[wasm_bindgen(js_name = configPath)]
    pub fn config_path(&self, config_variable: &JsValue, root_variable: &JsValue) -> Thrown<String> {
        let path = || {
            let config = optional_text("configVariable", config_variable)?;
            let root = optional_text("rootVariable", root_variable)?;
            self.with(|line| line.config_path(config, root))
        };
        thrown(path())
    }

    /// Whether one JSON document is to be printed.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether more is to be said.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Whether colour was declined.
    #[wasm_bindgen(getter, js_name = noColor)]
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.no_color
    }

    /// Whether it is for a program that serves or confines, which the native one alone is.
    #[wasm_bindgen(getter, js_name = isForNative)]
    #[must_use]
    pub fn is_for_native(&self) -> bool {
        self.is_for_native
    }

    /// What the host has to read first, in order.
    ///
    /// # Errors
    /// `argument` when it was started.
    pub fn sources(&self) -> Thrown<JsValue> {
        thrown(self.with(shared::CommandLine::sources).and_then(|sources| to_js(&sources)))
    }

    /// The command over a config, with what was read, once: `{op}`, or `{ending}` for what makes no sense.
    ///
    /// # Errors
    /// `argument` when it was started, or something is not what it must be.
    pub fn start(&self, inputs: &JsValue, config: &JsValue) -> Thrown<JsValue> {
        let started = || {
            let inputs = read_inputs(inputs)?;
            let config: Config = instance("config", config)?;
            let line = self.line.borrow_mut().take().ok_or_else(started_already)?;
            match config.with(|config| line.start(inputs, config)) {
                Ok(operation) => object([("op", Op::from(operation).into())]),
                Err(ending) => object([("ending", ending_data(&ending)?)]),
            }
        };
        thrown(started())
    }
}

/// What was read: a name and the content, or nothing where standard input was a terminal.
type Input = Option<(String, Vec<u8>)>;

/// `[{name, bytes} | null, ...]`
fn read_inputs(inputs: &JsValue) -> Result<Vec<Input>, Failure> {
    let Value::Array(inputs) = data("inputs", inputs)? else {
        return Err(Failure::argument("inputs: it is no list"));
    };
    inputs.into_iter().map(read_input).collect()
}

fn read_input(input: Value) -> Result<Input, Failure> {
    let fields = match input {
        Value::Null => return Ok(None),
        Value::Map(fields) => fields,
        _ => Vec::new(),
    };
    let (mut name, mut content) = (None, None);
    for field in fields {
        match field {
            (Value::Text(key), Value::Text(value)) if key == "name" => name = Some(value),
            (Value::Text(key), Value::Bytes(value)) if key == "bytes" => content = Some(value),
            _ => {}
        }
    }
    let wrong = || Failure::argument("inputs: an input is null, or a `name` and `bytes`");
    name.zip(content).map(Some).ok_or_else(wrong)
}

/// What an event prints, `{text, to_stderr}`; null where nothing.
///
/// # Errors
/// `argument` when there is no such level.
#[wasm_bindgen(js_name = eventLine)]
pub fn event_line(
    level: &JsValue,
    words: &JsValue,
    json: &JsValue,
    verbose: &JsValue,
    color: &JsValue,
) -> Thrown<JsValue> {
    let shown = || {
        let event = Event { level: made("level", level, from_data)?, text: text("text", words)? };
        match line_of(&event, flag("json", json)?, flag("verbose", verbose)?, flag("color", color)?) {
            Some((text, to_stderr)) => object([("text", text.into()), ("to_stderr", to_stderr.into())]),
            None => Ok(JsValue::NULL),
        }
    };
    thrown(shown())
}

/// What a failed command, or a host that could not do its part, prints, and its exit code.
///
/// # Errors
/// `argument` for what is no text or no exit code.
#[wasm_bindgen(js_name = failedEnding)]
pub fn failed_ending(message: &JsValue, exit_code: &JsValue, json: &JsValue, color: &JsValue) -> Thrown<JsValue> {
    let ending = || {
        let exit_code = u8::try_from(count("exitCode", exit_code, u32::from(u8::MAX))?).unwrap_or(1);
        let failure = Failure { exit_code, ..Failure::new("host", text("message", message)?) };
        ending_data(&failed(&failure, flag("json", json)?, flag("color", color)?))
    };
    thrown(ending())
}
