//! Reading a mailbox's files with the core's own parsers: every file must be whole.

use std::collections::{BTreeMap, BTreeSet};

use azall_core::protocol::config::{AgentKey, Config};
use azall_core::protocol::delivery::{DeliveryState, State};
use azall_core::protocol::envelope::{Opened, Proof};
use azall_core::protocol::identity::Identity;
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::message::{Head, Message};
use azall_core::protocol::spool;
use azall_core::protocol::trust::{Binding, PendingToken, UsedNonces};
use serde_json::Value;

use super::{Mailbox, marker_of};
use crate::disk::Tree;

/// A message in a folder of a day.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The file, below the agent's folder.
    pub path: String,
    /// `inbox`, `held`, `outbox`, `sent` or `failed`.
    pub folder: String,
    /// The file's name without `.txt`.
    pub stem: String,
    /// The marker; empty for a message that is none of the log's.
    pub marker: String,
    /// `From`.
    pub from: String,
    /// `To` and `Cc`, trimmed and in lower case.
    pub to: Vec<String>,
    /// `Status`.
    pub status: String,
    /// The key that has signed it, where everything is proven.
    pub proven_key: Option<String>,
    /// Whether it was looked over on arrival: it carries a verdict.
    pub has_verdict: bool,
    /// The files beside it.
    pub attachments: BTreeMap<String, Vec<u8>>,
}

impl Filed {
    /// Whether it was received.
    #[must_use]
    pub fn is_incoming(&self) -> bool {
        matches!(self.folder.as_str(), "inbox" | "held")
    }

    /// Whether a notice stands in the place of an attachment: then nothing is learned from it.
    #[must_use]
    pub fn has_notice(&self) -> bool {
        self.attachments.keys().any(|name| name.ends_with(".missing.txt"))
    }
}

/// What a mailbox holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) filed: Vec<Filed>,
    /// By the file's path without its ending: the recipients and their states.
    pub(super) deliveries: BTreeMap<String, Vec<(String, State)>>,
    pub(super) keys: BTreeSet<String>,
    pub(super) nonces: BTreeSet<String>,
    pub(super) blacklist: Vec<String>,
    pub(super) servers: Vec<String>,
}

/// What a file must be, by its name.
type Parsed = Result<(), String>;

fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

impl Contents {
    pub(super) fn read(tree: &Tree, mailbox: &Mailbox, wrong: &mut Vec<String>) -> Self {
        let mut contents = Self::default();
        if let Some(bytes) = tree.get(&mailbox.config)
            && let Err(why) = contents.config(bytes)
        {
            wrong.push(format!("{}: {why}", mailbox.config));
        }
        let below = format!("{}/", mailbox.home);
        for (path, bytes) in tree.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below)) {
            let shown = path.strip_prefix(&below).unwrap_or(path);
            if let Err(why) = contents.file(tree, &below, shown, bytes) {
                wrong.push(format!("{path}: {why}"));
            }
        }
        contents
    }

    fn config(&mut self, bytes: &[u8]) -> Parsed {
        let config = Config::parse(bytes).map_err(text)?;
        self.blacklist.clone_from(&config.filter().blacklist);
        self.servers = config.relays().iter().map(|relay| relay.server.to_string()).collect();
        Ok(())
    }

    fn file(&mut self, tree: &Tree, home: &str, path: &str, bytes: &[u8]) -> Parsed {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            [.., name] if name.starts_with(".tmp-") => Ok(()),
            [_, folder @ ("inbox" | "held" | "outbox" | "sent" | "failed"), name] => {
                self.message(tree, home, path, folder, name, bytes)
            }
            [".identity_key"] => Identity::parse(bytes).map(|_| ()).map_err(text),
            [".agent_key"] => AgentKey::parse(bytes).map(|_| ()).map_err(text),
            [".trust"] => Binding::parse(bytes).map(|_| ()).map_err(text),
            [".trust_token_pending"] => PendingToken::parse(bytes).map(|_| ()).map_err(text),
            [".keyring.json"] => self.keyring(bytes),
            [".used_nonces"] => self.used_nonces(bytes),
            [".sync_state.json" | ".relays.json" | ".open_days.json" | ".lock" | ".lock.takeover"] => {
                serde_json::from_slice::<Value>(bytes).map(|_| ()).map_err(text)
            }
            [".spool", name] if name.ends_with(".damaged") => spool::decode(bytes).map(|_| ()).map_err(text),
            [".spool", _] => Err("a fetch was never stored".to_owned()),
            ["remember_index.txt"] | [_, "index.txt"] if !bytes.starts_with(b"# ") => Err("no index".to_owned()),
            [_, "remember" | "notes", _] if bytes.is_empty() || bytes.contains(&0) => Err("half written".to_owned()),
            _ => Ok(()),
        }
    }

    fn keyring(&mut self, bytes: &[u8]) -> Parsed {
        let keyring = Keyring::parse(bytes).map_err(text)?;
        if let Some(damaged) = keyring.damaged().first() {
            return Err(format!("damaged entry: {damaged:?}"));
        }
        self.keys = keyring.entries().map(|(fingerprint, _)| fingerprint.to_string()).collect();
        Ok(())
    }

    fn used_nonces(&mut self, bytes: &[u8]) -> Parsed {
        UsedNonces::parse(bytes).map_err(text)?;
        let nonces: BTreeMap<String, Value> = serde_json::from_slice(bytes).map_err(text)?;
        self.nonces = nonces.into_keys().collect();
        Ok(())
    }

    fn message(&mut self, tree: &Tree, home: &str, path: &str, folder: &str, name: &str, bytes: &[u8]) -> Parsed {
        if let Some(stem) = path.strip_suffix(".delivery.json") {
            let state = DeliveryState::parse(bytes).map_err(text)?;
            let recipients = state.recipients.values();
            let recipients = recipients.map(|one| (one.address.to_lowercase(), one.state)).collect();
            self.deliveries.insert(stem.to_owned(), recipients);
            return Ok(());
        }
        let Some(stem) = name.strip_suffix(".txt") else { return Err("no message".to_owned()) };
        if let Some(damage) = Head::parse(bytes).damage(false) {
            return Err(format!("half a message: {damage:?}"));
        }
        let message = Message::parse(bytes);
        let value = |name| message.headers.value(name).unwrap_or_default();
        let recipients = format!("{},{}", value("To"), value("Cc"));
        let recipients = recipients.split(',').map(|to| to.trim().to_lowercase()).filter(|to| !to.is_empty()).collect();
        let opened = Opened::read(&message.headers, &message.body);
        let proven_key = match opened.check(|_| None) {
            Proof::Valid => opened.fingerprint().map(|key| key.to_string()),
            Proof::Invalid(why) => return Err(format!("the signature does not hold: {why}")),
            _ => None,
        };
        let beside = format!("{home}{}/", path.trim_end_matches(".txt"));
        let attachments = tree
            .range(beside.clone()..)
            .take_while(|(path, _)| path.starts_with(&beside))
            .filter_map(|(path, bytes)| Some((path.strip_prefix(&beside)?.to_owned(), bytes.clone())))
            .filter(|(name, _)| !name.starts_with(".tmp-"))
            .collect();
        let filed = Filed {
            path: path.to_owned(),
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            marker: marker_of(&message.body),
            from: value("From").to_lowercase(),
            to: recipients,
            status: value("Status").to_owned(),
            proven_key,
            has_verdict: message.headers.value("Verdict").is_some(),
            attachments,
        };
        drop(opened);
        self.filed.push(filed);
        Ok(())
    }
}

/// The secrets of a mailbox: texts that no event, error or masked transcript may show.
#[must_use]
pub fn secrets(tree: &Tree, mailbox: &Mailbox) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let files = [".identity_key", ".agent_key", ".trust"].map(|name| format!("{}/{name}", mailbox.home));
    for path in files.iter().chain([&mailbox.config]) {
        let value = tree.get(path).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        let mut pending: Vec<Value> = value.into_iter().collect();
        while let Some(value) = pending.pop() {
            match value {
                Value::Object(map) => {
                    for (key, value) in map {
                        match value {
                            Value::String(text) if is_secret(&key) && text.len() >= 8 => drop(found.insert(text)),
                            other => pending.push(other),
                        }
                    }
                }
                Value::Array(items) => pending.extend(items),
                _ => {}
            }
        }
    }
    found
}

fn is_secret(key: &str) -> bool {
    matches!(key, "private_key_hex" | "agent_key" | "key" | "token" | "owner_auth_key")
}
