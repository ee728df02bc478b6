//! The command line: every language's `azall` is the same one.

use std::ffi::OsString;

use azall_core::cli::input::{Input, Inputs, Source};
use azall_core::cli::{self, Exit, Invocation};
use azall_core::command::Outcome;
use azall_core::engine::event::{Event, Level};
use azall_core::protocol::config::{ConfigEnv, locate};

use ciborium::Value;

use crate::config::Config;
use crate::data::map;
use crate::failure::Failure;
use crate::operation::Operation;

/// A command line that was understood.
pub struct CommandLine {
    invocation: Invocation,
}

/// What is to be printed, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What is to be printed.
    pub text: String,
    /// Whether on standard error.
    pub to_stderr: bool,
    /// The exit code.
    pub code: u8,
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        Self { text: exit.text, to_stderr: exit.to_stderr, code: exit.code }
    }
}

impl CommandLine {
    /// Understands the arguments, without the program's name.
    ///
    /// # Errors
    /// What is to be printed instead: help, the version, or what is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Ending> {
        let words = std::iter::once(OsString::from("azall")).chain(arguments);
        Ok(Self { invocation: cli::parse(words)? })
    }

    /// Where the config file is: as `--config` or these variables of the environment say.
    #[must_use]
    pub fn config_path(&self, config_variable: Option<String>, root_variable: Option<String>) -> String {
        locate(&ConfigEnv { flag: self.invocation.config.clone(), config: config_variable, root: root_variable })
    }

    /// Whether one JSON document is to be printed.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.invocation.json
    }

    /// Whether more is to be said.
    #[must_use]
    pub const fn verbose(&self) -> bool {
        self.invocation.verbose
    }

    /// Whether colour was declined.
    #[must_use]
    pub const fn no_color(&self) -> bool {
        self.invocation.no_color
    }

    /// Whether it is for a program that serves or confines, which the native one alone is: `server`, `up`, `sandbox`.
    #[must_use]
    pub fn is_for_native(&self) -> bool {
        let serves = !matches!(self.invocation.server_task(), Ok(None)) || !matches!(self.invocation.up(), Ok(None));
        serves || self.invocation.sandbox().is_some()
    }

    /// What the host has to read first, in order: `{"from": "file" | "stdin" | "stdin-if-piped", "path": ..., "limit": ...}`.
    #[must_use]
    pub fn sources(&self) -> Value {
        let sources = self.invocation.sources().into_iter().map(|source| {
            let limit = source.limit();
            let (from, path) = match source {
                Source::File(path) | Source::Archive(path) => ("file", Value::from(path)),
                Source::Stdin => ("stdin", Value::Null),
                Source::StdinIfPiped => ("stdin-if-piped", Value::Null),
            };
            map([("from", from.into()), ("path", path), ("limit", limit.into())])
        });
        Value::Array(sources.collect())
    }

    /// The command over a config, with what was read: a name and the bytes for each source, or nothing where standard input was a
    /// terminal.
    ///
    /// # Errors
    /// What is to be printed instead: what makes no sense.
    pub fn start(self, inputs: Vec<Option<(String, Vec<u8>)>>, config: &Config) -> Result<Operation, Ending> {
        let inputs = inputs.into_iter().map(|input| input.map(|(name, bytes)| Input::new(name, bytes))).collect();
        let command = self.invocation.into_command(Inputs::new(inputs))?;
        Ok(Operation::run(command, config))
    }
}

/// What a finished command prints, and its exit code.
#[must_use]
pub fn ending(outcome: &Outcome, json: bool, color: bool) -> Ending {
    Ending { text: cli::show(outcome, json, color), to_stderr: false, code: outcome.exit_code() }
}

/// What a failed command, or a host that could not do its part, prints, and its exit code.
#[must_use]
pub fn failed(failure: &Failure, json: bool, color: bool) -> Ending {
    Exit::failure(failure.exit_code, &failure.message, json, color).into()
}

/// What an event prints, if anything, and whether on standard error.
#[must_use]
pub fn event_line(event: &Event, json: bool, verbose: bool, color: bool) -> Option<(String, bool)> {
    match event.level {
        Level::Detail if !verbose => None,
        Level::Result if json => None,
        level => Some((cli::show_event(event, color), level != Level::Result)),
    }
}
