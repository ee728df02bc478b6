//! A machine whose agents send each other mail: what the tests of those commands ask of it, over the [`Shell`].

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use azall_core::protocol::layout::Root;
use serde_json::Value;

use super::relay::{Relay, URL, connect};
use super::shell::Shell;

/// A machine with one mailboxes folder, whose commands run one after the other.
pub(crate) struct Machine(Shell);

impl Deref for Machine {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.0
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Shell {
        &mut self.0
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// What `--json` shows.
    pub(crate) json: Value,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// The exit code, with words that must be said.
    #[track_caller]
    pub(crate) fn fails(self, code: u8, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.err.contains(words), "{words:?} is not said: {self:#?}");
        self
    }
}

impl Machine {
    /// A machine whose agent has this name.
    pub(crate) fn of(agent: &str) -> Self {
        let mut machine = Self(Shell::new());
        machine.add_agent("config.json", agent);
        machine
    }

    /// A machine whose agent has an account on a relay.
    pub(crate) fn on(relay: &Relay, name: &str) -> Self {
        let mut machine = Self::of(&format!("{name}.agenttalk"));
        relay.account(name);
        connect(&mut machine.host, &[(URL, relay)]);
        let token = format!("token-of-{name}");
        let address = format!("{name}.agenttalk");
        machine.run(&["relay", "add", "--url", URL, "--token", &token, "--address", &address]).ok();
        machine
    }

    /// Another agent on this machine, by a config of its own.
    pub(crate) fn add_agent(&mut self, config: &str, agent: &str) {
        let text = serde_json::json!({"agent_name": agent, "agent_key": "00112233445566778899aabbccddeeff"});
        self.host.files.insert((Root::Config, config.to_owned()), text.to_string().into_bytes());
    }

    /// Sets a key of the config.
    pub(crate) fn configure(&mut self, key: &str, value: Value) {
        let place = (Root::Config, self.config.clone());
        let file = self.host.files.get_mut(&place).unwrap();
        let mut config: Value = serde_json::from_slice(file).unwrap();
        config[key] = value;
        *file = config.to_string().into_bytes();
    }

    pub(crate) fn settings(&self) -> Value {
        serde_json::from_slice(self.host.file(Root::Config, &self.config).unwrap()).unwrap()
    }

    pub(crate) fn run(&mut self, words: &[&str]) -> Ran {
        self.run_with(None, words)
    }

    /// Runs a command with this on its standard input.
    pub(crate) fn pipe(&mut self, stdin: &str, words: &[&str]) -> Ran {
        self.run_with(Some(stdin), words)
    }

    /// Runs a command, and tells it to stop once this much time has gone by.
    pub(crate) fn run_for(&mut self, ms: i64, words: &[&str]) -> Ran {
        self.stop_at_ms = Some(self.host.now.unix_ms + ms);
        let ran = self.run(words);
        self.stop_at_ms = None;
        ran
    }

    fn run_with(&mut self, stdin: Option<&str>, words: &[&str]) -> Ran {
        let usual = self.config.clone();
        if let ["--config", config, ..] = words {
            self.config = (*config).to_owned();
        }
        let ran = self.0.run(words, stdin);
        self.config = usual;
        Ran { code: ran.code, out: ran.stdout, err: ran.stderr, json: ran.document }
    }

    /// The texts of the messages in a folder of an agent, over all days, by file name.
    pub(crate) fn messages(&self, agent: &str, folder: &str) -> BTreeMap<String, String> {
        let begin = format!("{agent}/");
        let middle = format!("/{folder}/");
        let files = self.host.files.iter().filter(|((root, path), _)| {
            *root == Root::Mailboxes && path.starts_with(&begin) && path.contains(&middle) && path.ends_with(".txt")
        });
        files
            .filter(|((_, path), _)| path.rsplit(&middle).next().is_some_and(|rest| !rest.contains('/')))
            .map(|((_, path), bytes)| (path.clone(), String::from_utf8_lossy(bytes).into_owned()))
            .collect()
    }

    /// The paths of all files below a folder of the mailboxes.
    pub(crate) fn below(&self, folder: &str) -> Vec<String> {
        let files = self.host.files.keys().filter(|(root, path)| *root == Root::Mailboxes && path.starts_with(folder));
        files.map(|(_, path)| path.clone()).collect()
    }

    /// The messages that `inbox --all --offline` lists.
    pub(crate) fn listed(&mut self) -> Vec<Value> {
        let listed = self.run(&["inbox", "--all", "--offline"]).ok();
        listed.json["messages"].as_array().unwrap().clone()
    }

    /// The one message with this subject.
    #[track_caller]
    pub(crate) fn the_one(&mut self, subject: &str) -> Value {
        let found: Vec<Value> = self.listed().into_iter().filter(|row| row["subject"] == subject).collect();
        let [only] = found.as_slice() else { panic!("{} messages {subject:?}", found.len()) };
        only.clone()
    }
}
