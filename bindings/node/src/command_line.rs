//! Arguments to a command, its outcome to text.

use azall_bindings::data::from_data;
use azall_bindings::{Ending, Failure, Value, command_line};
use azall_core::engine::event::Event;
use napi::Env;
use napi::bindgen_prelude::{JsValue, Object, Unknown};
use napi_derive::napi;

use crate::convert;
use crate::failure::thrown;
use crate::operation::{Config, Op};

/// A command line that was understood.
#[napi]
pub struct CommandLine {
    /// Gone once it was started.
    inner: Option<azall_bindings::CommandLine>,
}

pub(crate) fn ending_value<'env>(env: &'env Env, ending: &Ending) -> napi::Result<Unknown<'env>> {
    let mut object = Object::new(env)?;
    object.set("text", ending.text.as_str())?;
    object.set("to_stderr", ending.to_stderr)?;
    object.set("code", u32::from(ending.code))?;
    Ok(object.to_unknown())
}

/// `{ending}`: what is to be printed instead.
fn only_ending<'env>(env: &'env Env, ending: &Ending) -> napi::Result<Object<'env>> {
    let mut object = Object::new(env)?;
    object.set("ending", ending_value(env, ending)?)?;
    Ok(object)
}

#[napi]
impl CommandLine {
    /// Understands the arguments, without the program's name: `{line}`, or `{ending}` with what is to be printed instead.
    #[napi(catch_unwind)]
    pub fn parse<'env>(env: &'env Env, arguments: Unknown<'_>) -> napi::Result<Object<'env>> {
        let arguments = || from_data::<Vec<String>>(&convert::data(arguments)?);
        let arguments = arguments().map_err(|failure| thrown(env, failure))?;
        match azall_bindings::CommandLine::parse(arguments.into_iter().map(Into::into)) {
            Err(ending) => only_ending(env, &ending),
            Ok(line) => {
                let mut object = Object::new(env)?;
                object.set("line", Self { inner: Some(line) })?;
                Ok(object)
            }
        }
    }

    fn line(&self, env: &Env) -> napi::Result<&azall_bindings::CommandLine> {
        self.inner.as_ref().ok_or_else(|| thrown(env, started_already()))
    }

    /// Where the config file is: as `--config` or these variables of the environment say.
    #[napi(catch_unwind)]
    pub fn config_path(
        &self,
        env: &Env,
        config_variable: Option<Unknown<'_>>,
        root_variable: Option<Unknown<'_>>,
    ) -> napi::Result<String> {
        let variable = |value, name| convert::optional_text(value, name).map_err(|failure| thrown(env, failure));
        let config = variable(config_variable, "configVariable")?;
        Ok(self.line(env)?.config_path(config, variable(root_variable, "rootVariable")?))
    }

    /// Whether one JSON document is to be printed.
    #[napi(getter, catch_unwind)]
    pub fn json(&self, env: &Env) -> napi::Result<bool> {
        Ok(self.line(env)?.json())
    }

    /// Whether more is to be said.
    #[napi(getter, catch_unwind)]
    pub fn verbose(&self, env: &Env) -> napi::Result<bool> {
        Ok(self.line(env)?.verbose())
    }

    /// Whether colour was declined.
    #[napi(getter, catch_unwind)]
    pub fn no_color(&self, env: &Env) -> napi::Result<bool> {
        Ok(self.line(env)?.no_color())
    }

    /// Whether it is for a program that serves or confines, which the native one alone is.
    #[napi(getter, catch_unwind)]
    pub fn is_for_native(&self, env: &Env) -> napi::Result<bool> {
        Ok(self.line(env)?.is_for_native())
    }

    /// What the host has to read first, in order.
    #[napi(catch_unwind)]
    pub fn sources<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        convert::value(env, &self.line(env)?.sources())
    }

    /// The command over a config, with what was read, `{name, bytes}` or `null` for each source: `{op}` or `{ending}`. Once.
    #[napi(catch_unwind)]
    pub fn start<'env>(&mut self, env: &'env Env, inputs: Unknown<'_>, config: &Config) -> napi::Result<Object<'env>> {
        let inputs = convert::data(inputs).and_then(inputs_of).map_err(|failure| thrown(env, failure))?;
        let line = self.inner.take().ok_or_else(|| thrown(env, started_already()))?;
        match line.start(inputs, &config.inner) {
            Err(ending) => only_ending(env, &ending),
            Ok(operation) => {
                let mut object = Object::new(env)?;
                object.set("op", Op::of(operation))?;
                Ok(object)
            }
        }
    }
}

fn started_already() -> Failure {
    Failure::argument("this command line was started already")
}

/// A name and the bytes of it, or nothing.
type Read = Option<(String, Vec<u8>)>;

fn inputs_of(data: Value) -> Result<Vec<Read>, Failure> {
    let inputs = data.into_array().map_err(|_| wrong_input())?;
    inputs.into_iter().map(input_of).collect()
}

fn input_of(data: Value) -> Result<Read, Failure> {
    if data.is_null() {
        return Ok(None);
    }
    let (mut name, mut bytes) = (None, None);
    for field in data.into_map().map_err(|_| wrong_input())? {
        match field {
            (Value::Text(key), Value::Text(value)) if key == "name" => name = Some(value),
            (Value::Text(key), Value::Bytes(value)) if key == "bytes" => bytes = Some(value),
            _ => return Err(wrong_input()),
        }
    }
    name.zip(bytes).map(Some).ok_or_else(wrong_input)
}

fn wrong_input() -> Failure {
    Failure::argument("an input is null, or a `name` and `bytes`")
}

/// What an event prints: `{text, to_stderr}`, or `null` for nothing.
#[napi(catch_unwind)]
pub fn event_line<'env>(
    env: &'env Env,
    level: Unknown<'_>,
    words: Unknown<'_>,
    json: Unknown<'_>,
    verbose: Unknown<'_>,
    color: Unknown<'_>,
) -> napi::Result<Option<Object<'env>>> {
    let shown = || {
        let event = Event { level: from_data(&convert::data(level)?)?, text: convert::text(words, "text")? };
        let (json, verbose) = (convert::flag(json, "json")?, convert::flag(verbose, "verbose")?);
        Ok(command_line::event_line(&event, json, verbose, convert::flag(color, "color")?))
    };
    let Some((text, to_stderr)) = shown().map_err(|failure| thrown(env, failure))? else { return Ok(None) };
    let mut object = Object::new(env)?;
    object.set("text", text)?;
    object.set("to_stderr", to_stderr)?;
    Ok(Some(object))
}

/// What a failed command, or a host that could not do its part, prints, and its exit code: `{text, to_stderr, code}`.
#[napi(catch_unwind)]
pub fn failed_ending<'env>(
    env: &'env Env,
    message: Unknown<'_>,
    exit_code: Unknown<'_>,
    json: Unknown<'_>,
    color: Unknown<'_>,
) -> napi::Result<Unknown<'env>> {
    let ending = || {
        let exit_code = convert::count(exit_code, "exitCode", u32::from(u8::MAX))?;
        let exit_code = u8::try_from(exit_code).unwrap_or(1);
        let failure = Failure { exit_code, ..Failure::new("host", convert::text(message, "message")?) };
        Ok(command_line::failed(&failure, convert::flag(json, "json")?, convert::flag(color, "color")?))
    };
    ending_value(env, &ending().map_err(|failure| thrown(env, failure))?)
}
