//! Command lines against the host in memory: arguments in, standard output, standard error and exit code out, as on a
//! real host. What every command promises is checked at each run: one JSON document with `--json`, nothing that a
//! terminal would obey, no secret.

use std::collections::BTreeMap;
use std::ffi::OsString;

use azall_core::cli::input::{Input, Inputs, Source};
use azall_core::cli::{self, Exit};
use azall_core::command;
use azall_core::command::session::{self, Context};
use azall_core::engine::effect::{Effect, IoError, IoErrorKind};
use azall_core::engine::event::{Event, Level};
use azall_core::engine::op::{Op, Output};
use azall_core::protocol::layout::{RelPath, Root};
use serde_json::Value;

use super::MemoryHost;

/// Where people believe the mailbox to be.
pub(crate) const CONFIG: &str = "/home/config.json";
pub(crate) const MAILBOXES: &str = "/home/data/mailboxes";

/// A machine with one person's shell on it.
pub(crate) struct Shell {
    pub(crate) host: MemoryHost,
    /// The files that a command line can name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// `$AGENTAZALL_AGENT`.
    pub(crate) agent: Option<String>,
    /// The config file, whatever a command line names.
    pub(crate) config: String,
    /// When (unix milliseconds) a command that goes on is told to stop.
    pub(crate) stop_at_ms: Option<i64>,
    /// What the disk says instead of doing what it is asked.
    pub(crate) refuses: Refuses,
}

type Refuses = Box<dyn FnMut(&Effect) -> Option<IoErrorKind>>;

/// What a command line left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What `--json` would have shown of the outcome.
    pub(crate) document: Value,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

impl From<Exit> for Ran {
    fn from(exit: Exit) -> Self {
        let (stdout, stderr) = if exit.to_stderr { (String::new(), exit.text) } else { (exit.text, String::new()) };
        Self { code: exit.code, stdout, stderr, document: Value::Null }
    }
}

impl Shell {
    /// A machine on which nobody has used azall yet.
    pub(crate) fn new() -> Self {
        Self {
            host: MemoryHost::new(),
            files: BTreeMap::new(),
            agent: None,
            config: "config.json".to_owned(),
            stop_at_ms: None,
            refuses: Box::new(|_| None),
        }
    }

    /// A machine with an agent of this name, set up and ready.
    pub(crate) fn of(agent: &str) -> Self {
        let mut shell = Self::new();
        let ran = shell.run(&["setup", "--agent", agent], None);
        assert_eq!(ran.code, 0, "{ran:?}");
        shell
    }

    /// The content of a file below the mailboxes folder.
    pub(crate) fn mailbox_file(&self, path: &str) -> Option<String> {
        self.host.file(Root::Mailboxes, path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Puts a file below the mailboxes folder.
    pub(crate) fn put(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.host.files.insert((Root::Mailboxes, path.to_owned()), content.into());
    }

    /// Writes the config file.
    pub(crate) fn configure(&mut self, config: &str) {
        self.host.files.insert((Root::Config, "config.json".to_owned()), config.as_bytes().to_vec());
    }

    /// Changes keys of the config file.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Value)) {
        let mut config: Value = serde_json::from_slice(self.host.file(Root::Config, "config.json").unwrap()).unwrap();
        change(&mut config);
        self.configure(&config.to_string());
    }

    /// Lets some days pass.
    pub(crate) fn sleep_days(&mut self, days: i64) {
        self.host.now.unix_ms += days * 86_400_000;
    }

    /// Runs a command line, without the program's name. Without `stdin` standard input is a terminal.
    pub(crate) fn run(&mut self, words: &[&str], stdin: Option<&str>) -> Ran {
        let ran = self.run_unchecked(words, stdin);
        for stream in [&ran.stdout, &ran.stderr] {
            let hostile =
                |c: &char| (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(c);
            assert_eq!(stream.chars().find(hostile), None, "{words:?} lets a terminal obey: {stream:?}");
            for secret in self.secrets() {
                assert!(!stream.contains(&secret), "{words:?} shows a secret: {stream}");
            }
        }
        if words.iter().take_while(|word| **word != "--").any(|word| *word == "--json") {
            ran.json();
        }
        ran
    }

    fn run_unchecked(&mut self, words: &[&str], stdin: Option<&str>) -> Ran {
        let words = std::iter::once("azall").chain(words.iter().copied()).map(OsString::from);
        let invocation = match cli::parse(words) {
            Ok(invocation) => invocation,
            Err(exit) => return exit.into(),
        };
        let (json, verbose) = (invocation.json, invocation.verbose);
        let mut inputs = Vec::new();
        for source in invocation.sources() {
            inputs.push(match source {
                Source::File(path) | Source::Archive(path) => match self.files.get(&path) {
                    Some(bytes) => Some(Input::new(path, bytes.clone())),
                    None => return Exit::failure(1, &format!("cannot read {path}: there is none"), json, false).into(),
                },
                Source::Stdin | Source::StdinIfPiped => stdin.map(|text| Input::new("-", text.as_bytes().to_vec())),
            });
        }
        let command = match invocation.into_command(Inputs::new(inputs)) {
            Ok(command) => command,
            Err(exit) => return exit.into(),
        };
        let outcome = self.drive(command);
        let mut ran = match outcome {
            Ok(outcome) => {
                if let Some((path, bytes)) = outcome.artifact() {
                    self.files.insert(path.to_owned(), bytes.to_vec());
                }
                let document = serde_json::to_value(&outcome).unwrap();
                let stdout = cli::show(&outcome, json, false);
                Ran { code: outcome.exit_code(), stdout, stderr: String::new(), document }
            }
            Err(error) => Exit::of(&error, json, false).into(),
        };
        let told = self.host.events.drain(..).filter(|event| verbose || event.level != Level::Detail);
        let (results, notices): (Vec<_>, Vec<_>) = told.partition(|event| event.level == Level::Result);
        let text = |events: Vec<Event>| events.iter().map(|event| cli::show_event(event, false)).collect::<String>();
        ran.stderr.insert_str(0, &text(notices));
        if !json {
            ran.stdout.insert_str(0, &text(results));
        }
        ran
    }

    fn drive(&mut self, command: command::Command) -> Result<command::Outcome, command::Error> {
        let config_file = RelPath::parse(&self.config).unwrap();
        let config_shown = format!("/home/{}", self.config);
        let opened = self
            .host
            .run(session::open(config_file.clone(), self.agent.clone()))
            .map_err(|error| session::open_error(error, &config_shown))?;
        let context = Context { opened, config_file, config_shown, mailboxes_shown: MAILBOXES.to_owned() };
        self.run_to_its_end(command::start(command, context))
    }

    fn run_to_its_end(
        &mut self,
        mut op: Op<command::Outcome, command::Error>,
    ) -> Result<command::Outcome, command::Error> {
        loop {
            match op.poll(self.host.now) {
                Output::Effect(id, effect) => {
                    let answer = match (self.refuses)(&effect) {
                        Some(kind) => effect.failed(IoError::new(kind, "the disk says no")),
                        None => self.host.answer(&effect),
                    };
                    op.resume(id, answer).unwrap();
                }
                Output::Event(event) => self.host.events.push(event),
                Output::Wait(Some(deadline)) if self.stop_at_ms.is_none_or(|stop_at| deadline < stop_at) => {
                    self.host.now.unix_ms = self.host.now.unix_ms.max(deadline);
                }
                Output::Wait(_) => {
                    self.host.now.unix_ms = self.stop_at_ms.expect("waits, and nothing is in flight");
                    op.cancel();
                }
                Output::Done(result) => return result,
            }
        }
    }

    /// The keys on this machine, which no command may show.
    fn secrets(&self) -> Vec<String> {
        let files = self.host.files.iter().filter(|((_, path), _)| {
            ["config.json", ".agent_key", ".identity_key"].iter().any(|name| path.ends_with(name))
        });
        let documents = files.filter_map(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        let keys = documents.flat_map(|document| {
            ["agent_key", "key", "private_key_hex"].map(|key| document[key].as_str().unwrap_or_default().to_owned())
        });
        keys.filter(|key| key.len() >= 16).collect()
    }
}
