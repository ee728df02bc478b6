//! What agents do, as commands; and what the log learns from the answers.

use azall_core::command::daemon::Daemon;
use azall_core::command::export::{Export, Import};
use azall_core::command::filter::{FilterChange, FilterCommand};
use azall_core::command::identity::Doing;
use azall_core::command::inbox::Inbox;
use azall_core::command::index::Index;
use azall_core::command::keys::KeyringCommand;
use azall_core::command::memory::Remember;
use azall_core::command::notes::Note;
use azall_core::command::read::{Held, Read};
use azall_core::command::relays::{Register, RelayCommand};
use azall_core::command::send::{Attachment, Reply, Send};
use azall_core::command::start::{Quickstart, Setup, Startup};
use azall_core::command::texts::Edit;
use azall_core::command::trust::{TrustBind, TrustGen, TrustRevoke};
use azall_core::command::{Command, Outcome};
use azall_core::protocol::address::Address;
use azall_core::protocol::config::{FilterList, RelayAccount};
use azall_core::protocol::id::Fingerprint;
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::relay::{AgentName, ServerUrl};
use base64::Engine as _;

use crate::model::{Asked, Block, Bound, Kept, marker, marker_of};
use crate::plan::Task;
use crate::world::World;

/// What the log needs to know of a task when its command answers.
#[derive(Clone, Debug)]
pub enum Promise {
    /// Nothing.
    None,
    /// The message at this index of the log.
    Message(usize),
    /// A line that is to be kept.
    Kept(Kept),
    /// The pattern at this index of the log.
    Block(usize),
    /// This pattern is off the list.
    Unblock(String),
    /// A token is to be made.
    Token,
    /// The token is used.
    Bind(String),
    /// The server is added.
    Relay(String),
    /// The message with this marker is dropped.
    Drop(String),
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

impl World {
    /// The command of a task, as it is now; `None` when there is nothing to do it to.
    pub(crate) fn command(&mut self, agent: usize, task: &Task) -> Option<(Command, Promise)> {
        let serial = self.next_serial();
        let unique = format!("line-{serial}");
        let none = |command: Command| Some((command, Promise::None));
        match task {
            Task::Send { to, cc, attach } => {
                let addresses = |of: &[usize]| of.iter().map(|at| address(&self.agents[*at].address)).collect();
                let (to, cc): (Vec<Address>, Vec<Address>) = (addresses(to), addresses(cc));
                // Some are too large for a message.
                let speaks_2 = self.relays.iter().any(|relay| relay.speaks_2);
                let scaled = |size: usize| if speaks_2 && size % 3 == 1 { size * 40 } else { size };
                let files = attach.iter().enumerate().map(|(at, size)| (format!("file-{at}.bin"), scaled(*size)));
                let attachments: Vec<(String, Vec<u8>)> =
                    files.map(|(name, size)| (name, self.happen.bytes(size))).collect();
                Some(self.send(agent, serial, to, cc, attachments))
            }
            Task::SendToNobody => {
                let nobody = if self.relays.is_empty() { "nobody@localhost" } else { "nobody.agenttalk" };
                Some(self.send(agent, serial, vec![address(nobody)], Vec::new(), Vec::new()))
            }
            Task::Reply => {
                let (stem, _) = self.some_message(agent, "inbox")?;
                let marker = marker(serial);
                let promise = self.ask(agent, &marker, Vec::new());
                let body = format!("{marker}\nAn answer.");
                Some((Reply { id: stem, body, attachments: Vec::new(), all: false }.into(), promise))
            }
            Task::Inbox => none(Inbox { all: serial.is_multiple_of(2), ..Inbox::default() }.into()),
            Task::Startup => none(Startup {}.into()),
            Task::Read => {
                let (id, _) = self.some_message(agent, "inbox")?;
                none(Read { id, date: None, raw: false }.into())
            }
            Task::Remember { title } => {
                let kept = Kept { mailbox: agent, folder: "remember", line: unique.clone() };
                let command = Remember::Store { text: unique, title: title.clone() };
                Some((command.into(), Promise::Kept(kept)))
            }
            Task::Note => {
                let kept = Kept { mailbox: agent, folder: "notes", line: unique.clone() };
                let command = Note { name: "log".to_owned(), edit: Some(Edit::Append(unique)) };
                Some((command.into(), Promise::Kept(kept)))
            }
            Task::Doing => none(Doing { edit: Some(Edit::Set(unique)) }.into()),
            Task::BlockStranger => Some(self.block(agent, format!("{unique}@*"))),
            Task::Block(peer) => Some(self.block(agent, self.agents[*peer].address.clone())),
            Task::Unblock(peer) => {
                let pattern = self.agents[*peer].address.clone();
                let changes = vec![FilterChange::Remove(FilterList::Blacklist, pattern.clone())];
                Some((FilterCommand { changes }.into(), Promise::Unblock(pattern)))
            }
            Task::TrustKey => {
                let keys = self.keys(agent);
                let key = self.happen.pick(&keys).copied()?;
                none(KeyringCommand::Trust(key).into())
            }
            Task::TrustGen => {
                let command = TrustGen { agent: None, force: true, quiet: true };
                Some((command.into(), Promise::Token))
            }
            Task::TrustBind => {
                let token = self.tokens.get(&agent)?.clone();
                let command = TrustBind { owner: format!("owner{serial}@x"), token: token.clone() };
                Some((command.into(), Promise::Bind(token)))
            }
            Task::TrustRevoke => none(TrustRevoke { yes: true }.into()),
            Task::RelayAdd => {
                let server = format!("http://127.0.0.1:{}", 20_000 + serial % 40_000);
                let url = ServerUrl::parse(&server).unwrap_or_else(|error| panic!("{error}"));
                let account = RelayAccount { server: url, token: None, address: None };
                Some((RelayCommand::Add(account).into(), Promise::Relay(server)))
            }
            Task::Release => {
                let (id, _) = self.some_message(agent, "held")?;
                none(Held::Release(id).into())
            }
            Task::Drop => {
                let (id, marker) = self.some_message(agent, "held")?;
                // It may be gone whatever the command answers.
                self.log.dropped.insert((marker.clone(), agent));
                Some((Held::Drop(id).into(), Promise::Drop(marker)))
            }
            Task::Export => none(Export { output: None }.into()),
            Task::Quickstart => {
                let agent = Some(address(&self.agents[agent].address));
                none(Quickstart { agent, identity: Some("I am here.".to_owned()) }.into())
            }
            Task::Setup => {
                let agent = address(&self.agents[agent].address);
                none(Setup { agent, transport: None, share_memories: true }.into())
            }
            Task::Register => {
                // An account whose token never reached its owner is taken: the next one has another name.
                // With a key it is given back.
                let relay = self.relays.first()?;
                let suffix = if relay.speaks_2 { "own".to_owned() } else { serial.to_string() };
                let name = format!("{}-{suffix}", self.agents[agent].address.trim_end_matches(".agenttalk"));
                let name = AgentName::parse(&name).unwrap_or_else(|error| panic!("{error}"));
                let url = self.relays.first()?.url.clone();
                let server = ServerUrl::parse(&url).unwrap_or_else(|error| panic!("{error}"));
                Some((Register { name, server, yes: true }.into(), Promise::Relay(url)))
            }
            Task::Import => none(Import { archive: self.exported.clone()? }.into()),
            Task::Reindex => none(Index { date: None, rebuild: true }.into()),
            Task::DaemonOnce => none(Daemon { once: true, interval: None }.into()),
            Task::Daemon(_) => none(Daemon { once: false, interval: Some(5) }.into()),
        }
    }

    fn send(
        &mut self,
        agent: usize,
        serial: u64,
        to: Vec<Address>,
        cc: Vec<Address>,
        attachments: Vec<(String, Vec<u8>)>,
    ) -> (Command, Promise) {
        let marker = marker(serial);
        let body = format!("{marker}\nHello.");
        let files = attachments.iter().map(|(name, bytes)| Attachment { name: name.clone(), bytes: bytes.clone() });
        let send = Send { to, cc, subject: format!("About {serial}"), body, attachments: files.collect() };
        let promise = self.ask(agent, &marker, attachments);
        (send.into(), promise)
    }

    fn ask(&mut self, from: usize, marker: &str, attachments: Vec<(String, Vec<u8>)>) -> Promise {
        let at = self.tick;
        self.log.asked.push(Asked { marker: marker.to_owned(), from, at, acknowledged: false, attachments });
        Promise::Message(self.log.asked.len() - 1)
    }

    fn block(&mut self, mailbox: usize, pattern: String) -> (Command, Promise) {
        let changes = vec![FilterChange::Add(FilterList::Blacklist, pattern.clone())];
        self.log.blocks.push(Block { mailbox, pattern, acknowledged: false, until: None });
        (FilterCommand { changes }.into(), Promise::Block(self.log.blocks.len() - 1))
    }

    /// Notes what an answer promises. A command that failed promises nothing.
    pub(crate) fn note(&mut self, agent: usize, promise: Promise, outcome: &Outcome) {
        match (promise, outcome) {
            (_, Outcome::Exported(exported)) => self.exported = Some(exported.archive.clone()),
            (Promise::Message(at), Outcome::Sent(_)) => self.log.asked[at].acknowledged = true,
            (Promise::Kept(kept), _) => self.log.kept.push(kept),
            (Promise::Block(at), _) => {
                let is_stranger = self.agents.iter().all(|agent| agent.address != self.log.blocks[at].pattern);
                self.log.blocks[at].acknowledged = is_stranger;
            }
            (Promise::Unblock(pattern), _) => self.unblocked(agent, &pattern),
            (Promise::Token, Outcome::TrustToken(token)) => drop(self.tokens.insert(agent, token.token.clone())),
            (Promise::Bind(token), Outcome::Bound(_)) => {
                self.log.bound.push(Bound { mailbox: agent, nonce: nonce_of(&token), token });
            }
            (Promise::Relay(server), _) => self.log.relays.push((agent, server)),
            _ => {}
        }
    }

    /// A message of one of an agent's folders: its id and marker.
    fn some_message(&mut self, agent: usize, folder: &str) -> Option<(String, String)> {
        let agent = &self.agents[agent];
        let disk = &self.machines[agent.machine].disk;
        let mut found = Vec::new();
        for day in disk.list(&agent.home).unwrap_or_default() {
            let folder = format!("{}/{}/{folder}", agent.home, day.name);
            for entry in disk.list(&folder).unwrap_or_default() {
                let path = format!("{folder}/{}", entry.name);
                if let (Some(stem), Ok(bytes)) = (entry.name.strip_suffix(".txt"), disk.read(&path)) {
                    let message = azall_core::protocol::message::Message::parse(&bytes);
                    let marker = marker_of(&message.body);
                    if !marker.is_empty() {
                        found.push((stem.to_owned(), marker));
                    }
                }
            }
        }
        self.happen.pick(&found).cloned()
    }

    fn keys(&self, agent: usize) -> Vec<Fingerprint> {
        let agent = &self.agents[agent];
        let bytes = self.machines[agent.machine].disk.read(&format!("{}/.keyring.json", agent.home));
        let keyring = bytes.ok().and_then(|bytes| Keyring::parse(&bytes).ok()).unwrap_or_default();
        keyring.entries().map(|(key, _)| *key).collect()
    }
}

/// The nonce of a token, hex: after magic, version, name, machine and two times (PROTOCOL section 5).
fn nonce_of(token: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token).unwrap_or_default();
    let name = bytes.get(5..7).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
    let from = 7 + name + 64 + 8 + 8;
    azall_core::protocol::text::hex(bytes.get(from..from + 32).unwrap_or_default())
}
